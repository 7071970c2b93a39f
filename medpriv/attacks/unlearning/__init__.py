"""The audit of unlearning: is it forgotten, what else is lost, and what does it cost?"""
