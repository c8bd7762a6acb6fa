"""Goes through every state that can be reached, by the tables and guards that the product uses.

A *world* is a small bound of the product: what can happen in it, step by step, and what must hold in each state. What
decides is the product's own: the transitions of jobs, the effects of rejections and the fates of later copies, when
something is due, and the guards. What is modelled beside is said in each world: how the rows follow from a step.
"""
