import numpy
import slipstream
from arrays import Array


def test_scales_every_head_of_every_token():
    weights = numpy.arange(6, dtype=numpy.float32).reshape(2, 3)
    scales = numpy.linspace(0.5, 1.5, 6, dtype=numpy.float32).reshape(2, 3, 1)
    output = Array(numpy.zeros((2, 3, 1), numpy.float32), "float32", device=0)
    result = slipstream.apply_q_scale_and_softmax_scale(
        Array(weights, "float32", device=0), Array(scales, "float32", device=0), 0.125, output
    )
    assert result is output
    expected = weights[..., None] * scales * numpy.float32(0.125)
    assert (output.to_host() == expected.view(numpy.uint32)).all()
