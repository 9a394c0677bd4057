"""Prompts with their responses as tensors of one width."""

from workflow.lib.packing import pack


def test_packing_marks_the_response():
    packed = pack([[7, 8], [9]], [[5], [6, 6, 6]], pad=0)
    assert packed.ids.tolist() == [[7, 8, 5, 0], [9, 6, 6, 6]]
    # the mask is at the token before, whose state predicts it
    assert packed.mask.tolist() == [[False, True, False], [True, True, True]]
