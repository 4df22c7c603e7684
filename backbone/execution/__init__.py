"""How a block's products are computed on this device.

* `native`: which precisions the device has in hardware.
* `dense`: the linear layers of a block; a `Dense` reads the block's weights at each call.
* `packed`: the same layers in oneDNN's layout; a `PackedDense` owns the weights from then on.
* `attend`: attention over a segment's prefix and tokens; holds no state.
"""
