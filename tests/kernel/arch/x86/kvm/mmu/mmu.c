#include <linux/kvm_host.h>

static void walk_shadow_page_lockless_begin(struct kvm_vcpu *vcpu)
{
	local_irq_disable();
	smp_store_mb(vcpu->mode, READING_SHADOW_PAGE_TABLES);
}

static void walk_shadow_page_lockless_end(struct kvm_vcpu *vcpu)
{
	smp_store_release(&vcpu->mode, OUTSIDE_GUEST_MODE);
	local_irq_enable();
}

static void account_shadowed(struct kvm *kvm, struct kvm_mmu_page *sp)
{
	kvm->arch.indirect_shadow_pages++;
	smp_mb();
	write_protect(kvm, sp);
}

void kvm_mmu_track_write(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	smp_mb();
	if (!vcpu->kvm->arch.indirect_shadow_pages)
		return;

	write_lock(&vcpu->kvm->mmu_lock);
	zap_written(vcpu->kvm, gpa);
	write_unlock(&vcpu->kvm->mmu_lock);
}
