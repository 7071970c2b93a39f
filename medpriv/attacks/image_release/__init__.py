"""Who was among the images that a generator was fitted to, by what it released?"""
