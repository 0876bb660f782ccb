"""What an administrator watches a cluster by: alarms, counters, services, traces."""
