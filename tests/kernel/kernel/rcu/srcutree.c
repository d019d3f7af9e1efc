int __srcu_read_lock(struct srcu_struct *ssp)
{
	struct srcu_ctr *ctr = READ_ONCE(ssp->srcu_ctrp);

	this_cpu_inc(ctr->srcu_locks);
	smp_mb(); /* B */
	return ctr_index(ssp, ctr);
}
