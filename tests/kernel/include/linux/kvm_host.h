#ifndef MINI_KVM_HOST_H
#define MINI_KVM_HOST_H

struct kvm_io_bus {
	int dev_count;
	struct rcu_head rcu;
	struct kvm_io_range range[];
};

struct kvm {
	struct mutex slots_lock;
	struct kvm_io_bus __rcu *buses[KVM_NR_BUSES];
	struct srcu_struct srcu;
	struct srcu_struct irq_srcu;
	struct kvm_arch arch;
};

static inline struct kvm_io_bus *kvm_get_bus(struct kvm *kvm, enum kvm_bus idx)
{
	return rcu_dereference_protected(kvm->buses[idx], lockdep_is_held(&kvm->slots_lock));
}

static inline bool kvm_test_request(int req, struct kvm_vcpu *vcpu)
{
	return test_bit(req, (void *)&vcpu->requests);
}

static inline void kvm_make_request(int req, struct kvm_vcpu *vcpu)
{
	smp_wmb();
	set_bit(req, (void *)&vcpu->requests);
}

static inline void __kvm_make_request(int req, struct kvm_vcpu *vcpu)
{
	smp_wmb();
	set_bit(req, (void *)&vcpu->requests);
}

static inline bool kvm_check_request(int req, struct kvm_vcpu *vcpu)
{
	if (!test_bit(req, (void *)&vcpu->requests))
		return false;

	clear_bit(req, (void *)&vcpu->requests);
	smp_mb__after_atomic();
	return true;
}

static inline int kvm_vcpu_exiting_guest_mode(struct kvm_vcpu *vcpu)
{
	smp_mb__before_atomic();
	return cmpxchg(&vcpu->mode, IN_GUEST_MODE, EXITING_GUEST_MODE);
}

static inline struct kvm_vcpu *kvm_get_vcpu(struct kvm *kvm, int i)
{
	if (i >= atomic_read(&kvm->online_vcpus))
		return NULL;

	smp_rmb();
	return xa_load(&kvm->vcpu_array, i);
}

static inline int mmu_invalidate_retry(struct kvm *kvm, unsigned long seq)
{
	if (kvm->mmu_invalidate_in_progress)
		return 1;
	smp_rmb();
	return kvm->mmu_invalidate_seq != seq;
}

#endif
