"""Which synthetic images are copies of a member's image, whose, and does a filter that drops near images help?"""
