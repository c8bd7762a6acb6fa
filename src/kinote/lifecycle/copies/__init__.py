"""Several copies under one UID: what people decide about held ones, objects issued again under new UIDs, and copies
that contradict the patient or propose corrections.
"""
