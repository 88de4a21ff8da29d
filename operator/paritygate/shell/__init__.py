"""The operator as a process: settings, composition, watch streams, probes, metrics, logs. The one door to kopf."""
