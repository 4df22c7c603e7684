"""What a stranger may send, and what it costs the others.

* `kinds`: each attack as the bytes of one connection.
* `attackers`: the threads that send them.
* `measure`: another client's latency beside each, and the goodput of an overload.
"""
