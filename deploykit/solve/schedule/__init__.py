"""Non-preemptive jobs on machines."""
