"""The syntax of `kinote routes`; `command.routes.acting` has the actions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kinote.command.permitted import Commands
from kinote.command.typed import DataOption, JsonOption, begin

routes = Commands(
    name="routes", no_args_is_help=True, help="Manage the rules by which objects are delivered."
)

RouteName = Annotated[str, typer.Argument(metavar="NAME", help="A route by its name or number.")]
FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="A JSON file with the route, as the REST API takes it; - for standard input."
    ),
]


@routes.command("list")
def list_routes(
    data: DataOption = None,
    ended: Annotated[bool, typer.Option("--ended", help="With those that were removed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the routes by name."""
    with begin(data=data) as begun:
        from kinote.command.routes import acting

        acting.list_routes(begun, ended=ended, as_json=as_json)


@routes.command("show")
def show_route(route: RouteName, data: DataOption = None) -> None:
    """Show all that is known of a route, as JSON."""
    with begin(data=data) as begun:
        from kinote.command.routes import acting

        acting.show_route(begun, route)


@routes.command("add")
def add_route(file: FileArgument, data: DataOption = None) -> None:
    """Add a route. `destination` may be the name of the destination."""
    with begin(data=data) as begun:
        from kinote.command.routes import acting

        acting.add_route(begun, file)


@routes.command("change")
def change_route(route: RouteName, file: FileArgument, data: DataOption = None) -> None:
    """Change the fields of a route that the file has."""
    with begin(data=data) as begun:
        from kinote.command.routes import acting

        acting.change_route(begun, route, file)


@routes.command("remove")
def remove_route(route: RouteName, data: DataOption = None) -> None:
    """Remove a route: it no longer acts."""
    with begin(data=data) as begun:
        from kinote.command.routes import acting

        acting.remove_route(begun, route)


@routes.command("results")
def route_results(route: RouteName, data: DataOption = None, as_json: JsonOption = False) -> None:
    """List what a route did, or in training would have done, the latest first."""
    with begin(data=data) as begun:
        from kinote.command.routes import acting

        acting.route_results(begun, route, as_json=as_json)


@routes.command("dry-run")
def dry_run(
    route: RouteName,
    days: Annotated[int, typer.Option("--days", min=1, max=365, help="Of how many days.")] = 7,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a route would have done in the last days. Nothing is ordered."""
    with begin(data=data) as begun:
        from kinote.command.routes import acting

        acting.dry_run(begun, route, days=days, as_json=as_json)
