#include <linux/kvm_host.h>

void kvm_arch_async_page_present_queued(struct kvm_vcpu *vcpu)
{
	__kvm_make_request(KVM_REQ_APF_READY, vcpu);
	smp_mb__after_atomic();
	if (!READ_ONCE(vcpu->arch.apf.pageready_pending))
		kvm_vcpu_kick(vcpu);
}
