"""The operators, under the names and signatures that users of sgl-kernel and FlashInfer know."""

from slipstream._library import library

_apply_q_scale_and_softmax_scale = library.apply_q_scale_and_softmax_scale


def apply_q_scale_and_softmax_scale(weights, q_scale, softmax_scale, output, *, enable_pdl=None):
    """output = weights * q_scale * softmax_scale, in fp32 and in that order."""
    _apply_q_scale_and_softmax_scale(weights, q_scale, softmax_scale, output, enable_pdl)
    return output
