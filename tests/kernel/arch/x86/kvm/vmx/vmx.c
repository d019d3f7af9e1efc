#include <linux/kvm_host.h>

static int handle_invalid_guest_state(struct kvm_vcpu *vcpu)
{
	unsigned int rounds = 130;

	while (vcpu->emulation_required && rounds-- != 0) {
		if (kvm_test_request(KVM_REQ_EVENT, vcpu))
			return 1;

		/* The next instruction must see what the last one saw. */
		smp_rmb();

		if (!kvm_emulate_instruction(vcpu, 0))
			return 0;
	}

	return 1;
}
