#include <linux/kvm_host.h>
#include "vgic.h"

int kvm_vgic_map_resources(struct kvm *kvm)
{
	struct vgic_dist *dist = &kvm->arch.vgic;
	int ret = 0;

	if (likely(smp_load_acquire(&dist->ready)))
		return 0;

	mutex_lock(&kvm->slots_lock);
	mutex_lock(&kvm->arch.config_lock);
	if (dist->ready)
		goto out;

	ret = map_regions(kvm);
	if (ret)
		goto out;

	mutex_unlock(&kvm->arch.config_lock);
	ret = vgic_register_dist_iodev(kvm, dist->vgic_dist_base);
	if (ret)
		goto out_slots;

	smp_store_release(&dist->ready, true);
	goto out_slots;
out:
	mutex_unlock(&kvm->arch.config_lock);
out_slots:
	mutex_unlock(&kvm->slots_lock);

	return ret;
}
