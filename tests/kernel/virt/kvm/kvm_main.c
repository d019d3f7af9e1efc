#include <linux/kvm_host.h>

void kvm_vcpu_kick(struct kvm_vcpu *vcpu)
{
	smp_mb();
	if (READ_ONCE(vcpu->mode) == IN_GUEST_MODE)
		send_kick(vcpu);
}

static int bus_search(struct kvm_io_bus *bus, gpa_t addr)
{
	int i;

	for (i = 0; i < bus->dev_count; i++)
		if (bus->range[i].addr == addr)
			return i;
	return -ENOENT;
}

static struct kvm_io_bus *kvm_get_bus_srcu(struct kvm *kvm, enum kvm_bus idx)
{
	/* What the vCPU's last instruction saw, its next must see too. */
	smp_mb__after_srcu_read_lock();

	return srcu_dereference(kvm->buses[idx], &kvm->srcu);
}

int kvm_io_bus_write(struct kvm_vcpu *vcpu, enum kvm_bus idx, gpa_t addr, const void *val)
{
	struct kvm_io_bus *bus;
	int found;

	bus = kvm_get_bus_srcu(vcpu->kvm, idx);
	if (!bus)
		return -ENOMEM;

	found = bus_search(bus, addr);
	if (found < 0)
		return found;
	return device_write(bus->range[found].dev, val);
}

int kvm_io_bus_read(struct kvm_vcpu *vcpu, enum kvm_bus idx, gpa_t addr, void *val)
{
	struct kvm_io_bus *bus;
	int found;

	bus = kvm_get_bus_srcu(vcpu->kvm, idx);
	if (!bus)
		return -ENOMEM;

	found = bus_search(bus, addr);
	if (found < 0)
		return found;
	return device_read(bus->range[found].dev, val);
}

static struct kvm_io_bus *kvm_get_bus_for_destruction(struct kvm *kvm, enum kvm_bus idx)
{
	return rcu_dereference_protected(kvm->buses[idx], !refcount_read(&kvm->users_count));
}

static void kvm_destroy_vm(struct kvm *kvm)
{
	int i;

	for (i = 0; i < KVM_NR_BUSES; i++) {
		struct kvm_io_bus *bus = kvm_get_bus_for_destruction(kvm, i);

		if (bus)
			bus_destroy(bus);
		kvm->buses[i] = NULL;
	}
	cleanup_srcu_struct(&kvm->irq_srcu);
	srcu_barrier(&kvm->srcu);
	cleanup_srcu_struct(&kvm->srcu);
	kvm_arch_free_vm(kvm);
}

static void __free_bus(struct rcu_head *rcu)
{
	struct kvm_io_bus *bus = container_of(rcu, struct kvm_io_bus, rcu);

	kfree(bus);
}

int kvm_io_bus_register_dev(struct kvm *kvm, enum kvm_bus idx, gpa_t addr, struct kvm_io_device *dev)
{
	struct kvm_io_bus *bus, *new_bus;

	lockdep_assert_held(&kvm->slots_lock);

	bus = kvm_get_bus(kvm, idx);
	if (!bus)
		return -ENOMEM;

	new_bus = bus_alloc(bus->dev_count + 1);
	if (!new_bus)
		return -ENOMEM;

	bus_copy(new_bus, bus);
	new_bus->range[new_bus->dev_count].addr = addr;
	new_bus->range[new_bus->dev_count].dev = dev;
	new_bus->dev_count++;
	rcu_assign_pointer(kvm->buses[idx], new_bus);
	call_srcu(&kvm->srcu, &bus->rcu, __free_bus);

	return 0;
}

int kvm_io_bus_unregister_dev(struct kvm *kvm, enum kvm_bus idx, struct kvm_io_device *dev)
{
	struct kvm_io_bus *bus, *new_bus;

	lockdep_assert_held(&kvm->slots_lock);

	bus = kvm_get_bus(kvm, idx);
	if (!bus)
		return 0;

	new_bus = bus_without(bus, dev);
	rcu_assign_pointer(kvm->buses[idx], new_bus);
	synchronize_srcu_expedited(&kvm->srcu);

	device_destroy(dev);
	kfree(bus);
	return 0;
}

void kvm_mmu_invalidate_end(struct kvm *kvm)
{
	lockdep_assert_held_write(&kvm->mmu_lock);

	kvm->mmu_invalidate_seq++;
	smp_wmb();
	kvm->mmu_invalidate_in_progress--;
}

static int kvm_vm_ioctl_create_vcpu(struct kvm *kvm, unsigned long id)
{
	struct kvm_vcpu *vcpu = vcpu_alloc(kvm, id);

	if (!vcpu)
		return -ENOMEM;

	mutex_lock(&kvm->lock);
	if (xa_insert(&kvm->vcpu_array, atomic_read(&kvm->online_vcpus), vcpu))
		goto out;

	smp_wmb();
	atomic_inc(&kvm->online_vcpus);
out:
	mutex_unlock(&kvm->lock);
	return 0;
}
