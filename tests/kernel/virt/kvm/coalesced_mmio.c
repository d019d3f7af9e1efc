#include <linux/kvm_host.h>

static int coalesced_mmio_write(struct kvm *kvm, gpa_t addr, int len, const void *val)
{
	struct kvm_coalesced_mmio_ring *ring = kvm->coalesced_mmio_ring;
	u32 insert;

	spin_lock(&kvm->ring_lock);
	insert = READ_ONCE(ring->last);
	if (ring_full(ring, insert)) {
		spin_unlock(&kvm->ring_lock);
		return -EOPNOTSUPP;
	}

	entry_fill(&ring->coalesced_mmio[insert], addr, len, val);
	smp_wmb();
	ring->last = next_index(insert);
	spin_unlock(&kvm->ring_lock);
	return 0;
}
