"""The residency room: a task's life from the store over host memory to the device.

Each module owns one kind of state:

    registry       the names and histories of all tasks, and what failed; no tensors
    bank           what is on the device and in host memory, and in which order it was used
    lru            one memory tier of the bank
    loader         no state: makes residents of task files
    single_flight  work under way in threads, and who waits for it
    resolver       finds or loads the live version; its loads under way
    follower       no state: makes registry and bank agree with the store
    publisher      publishes, activates, retires and deletes; the changes under way
    examples       changes the examples of instant tasks; the changes that wait for each other
    listing        describes tasks; the headers that it has read
    budgets        how much memory the tiers may take; no state

The store is durable and decides what is live. Registry and bank follow it, on the event loop.
"""
