# ruff: noqa: E501 - a table of drawings, one a line
"""Further drawings of the kinds in browser_cases.py: rarer CSS, and what resvg reads otherwise than browsers."""

from browser_cases import ALL, AT_40, BLACK, BLUE, CLIP, CLIPPED, HALF_RED, LIME, LIME_GRADIENT, RED, root, styled

SQUARE = '<rect x="{}" y="{}" width="40" height="40" fill="red"/>'
TILE = 'width="20" height="20" patternUnits="userSpaceOnUse"><rect width="10" height="20" fill="red"/>'
RED_TO_BLUE = '<stop stop-color="red"/><stop offset="1" stop-color="blue"/>'

# These are drawn alike, and written otherwise.
WRITTEN_OTHERWISE = {"nested view turned", "transform of another gradient", "transform of another pattern"}

CASES = {
    # Transforms
    "transform of a variable": (styled(":root{--t:translate(40px,40px)}rect{transform:var(--t)}", SQUARE.format(0, 0)), AT_40),
    "invalid transform": (styled("rect{transform:translate(40px,40px)}rect{transform:shift(9px)}", SQUARE.format(0, 0)), AT_40),
    "transform under its old name": ('<rect style="-webkit-transform:translate(40px,40px)" width="40" height="40" fill="red"/>', AT_40),
    "turn about z": ('<rect style="rotate:z 180deg;transform-origin:60px 50px" x="40" y="20" width="40" height="40" fill="red"/>', AT_40),
    "turn in space that stays in the plane": ('<rect style="transform:rotate3d(0,0,1,90deg)" x="40" y="-80" width="40" height="40" fill="red"/>', AT_40),
    "nested view turned": ('<g><svg width="40" height="40" transform="rotate(90 40 40)"><rect y="-9" width="40" height="49" fill="red"/></svg></g>', SQUARE.format(40, 0)),
    "nested view faded": ('<g><svg opacity=".5">' + RED + "</svg></g>", HALF_RED),
    "faded view that is used": ('<defs><svg id="a" opacity=".5">' + RED + '</svg></defs><use href="#a"/>', HALF_RED),
    "faded view of another language": ('<switch><svg systemLanguage="fr" opacity=".5">' + RED + f"</svg>{BLUE}</switch>", BLUE),
    "faded class of a nested view": (styled("svg svg{opacity:.5}", "<g><svg>" + RED + "</svg></g>"), HALF_RED),
    # Which rules apply
    "escaped class": (styled(".a\\:b{fill:red}", '<rect class="a:b" width="100" height="100"/>'), RED),
    "escaped digit": (styled(".\\31 a{fill:red}", '<rect class="1a" width="100" height="100"/>'), RED),
    "pseudo-element of one browser": (styled(".a,.a::-webkit-scrollbar{fill:red}"), RED),
    "list that forgives": (styled(":is(.a,.b:foo){fill:red}"), RED),
    "unknown feature of a medium": (styled(".a{fill:red}@media not (nosuch:1){.a{fill:blue}}"), RED),
    "layer in a layer": (styled("@layer x{@layer y{.a{fill:blue}}.a{fill:red}}"), RED),
    "layer of a layer": (styled("@layer x.y{.a{fill:blue}}@layer x{.a{fill:red}}"), RED),
    "alternative sheet": (f'<style title="x">rect{{fill:red}}</style><style title="y">rect{{fill:blue}}</style>{BLACK.replace(" fill=", " data-fill=")}', RED),
    "sheet of HTML": ('<style xmlns="http://www.w3.org/1999/xhtml">rect{fill:red}</style>' + BLACK.replace(" fill=", " data-fill="), RED),
    "sheet with a parameter of its type": (f'<style type="text/css;charset=utf-8">rect{{fill:blue}}</style>{RED}', RED),
    "nesting selector at the top": (styled("&amp; .a{fill:red}"), RED),
    "block in a declaration": (styled(".a{foo:{x};fill:red}"), RED),
    # Values
    "sum in a colour": (ALL.format("rgb(calc(200 + 55) 0 0)"), RED),
    "variable of the environment": (ALL.format("env(nosuch, red)"), RED),
    "older system colour": (ALL.format("WindowText"), BLACK),
    "empty variable": (styled(".a{--e: ;fill:var(--e) red}"), RED),
    "variables that multiply": (styled("svg{--v0:red;" + "".join(f"--v{n + 1}:{f'var(--v{n}) ' * 10};" for n in range(20)) + "}.a{fill:red}"), RED),
    "deep variables": (styled("svg{" + "".join(f"--v{n}:var(--v{n - 1});" for n in range(60, 0, -1)) + "--v0:red}.a{fill:var(--v60)}"), RED),
    "filter of an older browser": (RED.replace("/>", ' style="filter:alpha(opacity=50)"/>'), RED),
    # Geometry
    "smaller of a share and a length": ('<rect width="min(50px, 40%)" height="max(10%, 60px)" fill="red"/>', '<rect width="40" height="60" fill="red"/>'),
    "invalid path": ('<path d="M0 0h60v60h-60z" style="d:nosuch" fill="red"/>', '<rect width="60" height="60" fill="red"/>'),
    "larger": ('<g font-size="20"><rect font-size="larger" width="2em" height="100" fill="red"/></g>', '<rect width="48" height="100" fill="red"/>'),
    "size of a symbol": ('<symbol id="s" width="40" height="40" viewBox="0 0 10 10"><rect width="10" height="10" fill="red"/></symbol><use href="#s" x="40" y="40"/>', AT_40),
    "place of a symbol": ('<symbol id="s" x="30" y="40" width="40" height="40" viewBox="0 0 10 10"><rect width="10" height="10" fill="red"/></symbol><use href="#s" x="10"/>', AT_40),
    "hidden symbol": (f'<symbol id="s" display="none">{BLUE}</symbol><use href="#s"/>{AT_40}', AT_40),
    "size of a use in CSS": ('<symbol id="s" viewBox="0 0 10 10"><rect width="10" height="10" fill="red"/></symbol><use href="#s" style="width:40px;height:40px"/>', RED),
    "sum of dashes": ('<path d="M10 50H90" stroke="red" stroke-width="20" style="stroke-dasharray:calc(5px * 4) 20"/>', '<path d="M10 50H90" stroke="red" stroke-width="20" stroke-dasharray="20"/>'),
    "background said twice": (root('viewBox="0 0 100 100" style="background:blue;background-color:lime"', AT_40), LIME + AT_40),
    "background taken back": (root('viewBox="0 0 100 100" style="background-color:blue;background:none"', AT_40), AT_40),
    "clip path under its old name": ('<rect width="100" height="100" fill="red" style="-webkit-clip-path:circle(40px at 50px 50px)"/>', '<clipPath id="k"><circle cx="50" cy="50" r="40"/></clipPath>' + CLIPPED),
    "clip path placed by edges": ('<rect width="100" height="100" fill="red" style="clip-path:circle(30px at right 40px bottom 60px)"/>', '<clipPath id="k"><circle cx="60" cy="40" r="30"/></clipPath>' + CLIPPED),
    "clip path of a box": ('<rect x="40" y="40" width="40" height="40" fill="red" stroke="blue" stroke-width="20" style="clip-path:fill-box"/>', '<clipPath id="k"><rect x="40" y="40" width="40" height="40"/></clipPath><g clip-path="url(#k)"><rect x="40" y="40" width="40" height="40" fill="red" stroke="blue" stroke-width="20"/></g>'),
    # References
    "spaces in a reference": (LIME_GRADIENT + ALL.format("url( #g )"), LIME),
    "reference in upper case": (LIME_GRADIENT + ALL.format("URL(#g)"), LIME),
    "transform of another gradient": (f'<linearGradient id="h" gradientTransform="rotate(90)">{RED_TO_BLUE}</linearGradient><linearGradient id="g" href="#h"/>{ALL.format("url(#g)")}', f'<linearGradient id="g" x2="0" y2="1">{RED_TO_BLUE}</linearGradient>{ALL.format("url(#g)")}'),
    "transform of another pattern": (f'<pattern id="h" patternTransform="rotate(45)" {TILE}</pattern><pattern id="g" href="#h"/>{ALL.format("url(#g)")}', f'<pattern id="g" patternTransform="rotate(45)" {TILE}</pattern>{ALL.format("url(#g)")}'),
    "stops of a gradient in linear light": (f'<linearGradient id="h" color-interpolation="linearRGB">{RED_TO_BLUE}</linearGradient><linearGradient id="g" href="#h"/>{ALL.format("url(#g)")}', f'<linearGradient id="g">{RED_TO_BLUE}</linearGradient>{ALL.format("url(#g)")}'),
    "clip path in a hidden symbol": (f'<symbol display="none">{CLIP.format("")}</symbol>{CLIPPED}', RED),
}  # fmt: skip
