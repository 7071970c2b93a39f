"""Generators of synthetic images, one module each.

Every module has one public function, `synthesise(sets, classes, settings, rngs, counts) -> ImageSynthesis`: K sets of
labelled images in, K synthetic sets out. What a replicate makes hangs on its own set and its own random generator
alone, whoever stands beside it.
"""
