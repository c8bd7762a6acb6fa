"""The first table of the statement: the services, as SCU and as SCP (PS3.2 N.1)."""

from __future__ import annotations

from kinote.conformance.markdown import Section, table, uid_name, yes
from kinote.conformance.services import USED, provided
from kinote.security.rights import Role


def services_at_a_glance() -> Section:
    """Return the overview of network services and media."""
    found: dict[tuple[str, str], set[Role]] = {}
    for each in (*provided(), *USED):
        name = uid_name(each.sop_class_uid) if each.sop_class_uid else "all storage SOP classes (annex A)"
        found.setdefault((each.service_class, name), set()).add(each.role)
    rows = (
        (service, name, yes(Role.SCU in roles), yes(Role.SCP in roles))
        for (service, name), roles in found.items()
    )
    return Section("Overview", (table(("service", "SOP class", "SCU", "SCP"), rows), _WEB))


_WEB = "By HTTP, Kinote is an origin server of the studies service of DICOMweb (section 4)."
