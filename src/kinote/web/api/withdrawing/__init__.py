"""Objects that go out of use, by REST: withdrawals and the acts they follow, received rejections, and purges.

`asked` is what a withdrawal asks for; `requests` are those that wait for a second person.
"""
