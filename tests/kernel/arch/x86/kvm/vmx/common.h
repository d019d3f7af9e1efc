static inline void kvm_vcpu_trigger_posted_interrupt(struct kvm_vcpu *vcpu, int vector)
{
	if (vcpu->mode == IN_GUEST_MODE)
		notify(vcpu, vector);
}

static inline void __vmx_deliver_posted_interrupt(struct kvm_vcpu *vcpu, struct pi_desc *desc, int vector)
{
	if (test_and_set_bit(vector, desc->pir))
		return;

	if (test_and_set_bit(POSTED_INTR_ON, &desc->control))
		return;

	kvm_vcpu_trigger_posted_interrupt(vcpu, POSTED_INTR_VECTOR);
}
