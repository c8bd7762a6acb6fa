"""The commands about the life cycle of objects: withdrawals, received rejections, held copies, and purges.

`reports` explains the state of an object or a study. Files named `…_typed` have the syntax, the others the actions.
"""
