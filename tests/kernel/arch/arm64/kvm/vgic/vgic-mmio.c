#include <linux/kvm_host.h>
#include "vgic.h"

int vgic_register_dist_iodev(struct kvm *kvm, gpa_t base)
{
	struct vgic_io_device *dev = &kvm->arch.vgic.dist_iodev;

	dev->base_addr = base;
	return kvm_io_bus_register_dev(kvm, KVM_MMIO_BUS, base, &dev->dev);
}
