"""What `Client` shows of a server beside its answers: where a task looks, samples, last changes."""
