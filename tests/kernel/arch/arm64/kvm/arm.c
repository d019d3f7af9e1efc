#include <linux/kvm_host.h>

int kvm_arch_vcpu_ioctl_run(struct kvm_vcpu *vcpu)
{
	local_irq_disable();
	smp_store_mb(vcpu->mode, IN_GUEST_MODE);
	if (must_exit(vcpu))
		return 0;

	return enter_guest(vcpu);
}
