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

static int vmx_deliver_nested_posted_interrupt(struct kvm_vcpu *vcpu, int vector)
{
	struct vcpu_vmx *vmx = to_vmx(vcpu);

	if (vector != vmx->nested.posted_intr_nv)
		return -1;

	vmx->nested.pi_pending = true;
	__kvm_make_request(KVM_REQ_EVENT, vcpu);
	smp_mb__after_atomic();
	kvm_vcpu_trigger_posted_interrupt(vcpu, POSTED_INTR_NESTED_VECTOR);
	return 0;
}

static void __loaded_vmcs_clear(void *arg)
{
	struct loaded_vmcs *loaded = arg;

	if (loaded->cpu != raw_smp_processor_id())
		return;

	vmcs_clear(loaded->vmcs);
	list_del(&loaded->link);
	smp_wmb();
	loaded->cpu = -1;
}

void vmx_vcpu_load_vmcs(struct kvm_vcpu *vcpu, int cpu)
{
	struct loaded_vmcs *loaded = to_vmx(vcpu)->loaded_vmcs;

	if (loaded->cpu == cpu)
		return;

	clear_elsewhere(loaded);
	smp_rmb();
	list_add(&loaded->link, loaded_list(cpu));
	loaded->cpu = cpu;
}
