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

#endif
