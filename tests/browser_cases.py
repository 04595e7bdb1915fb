# ruff: noqa: E501 - a table of drawings, one a line
"""Drawings with what browsers resolve, each beside a plain drawing that a browser draws alike.

Both are bodies in a view of 100 x 100, or whole drawings. test_browser_cases.py asks Chromium whether they are alike.
"""

from svg_pictures import NAMESPACE

XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'


def whole(body: str) -> str:
    """The drawing of a body."""
    return body if body.startswith("<svg") else root('viewBox="0 0 100 100"', body)


def root(attributes: str, body: str) -> str:
    return f"<svg {NAMESPACE} {XLINK} {attributes}>{body}</svg>"


def covering(attributes: str) -> str:
    """A square of the whole view."""
    return f'<rect {attributes} width="100" height="100"/>'


def red_square(size: int, attributes: str) -> str:
    return f'<rect {attributes} width="{size}" height="{size}" fill="red"/>'


def adorned(element: str, attributes: str) -> str:
    """An element with further attributes."""
    return element.replace("/>", f" {attributes}/>")


def defined(red_id: str, blue_id: str) -> str:
    """Definitions of a red and a blue square of the whole view."""
    return "<defs>" + covering(f'id="{red_id}" fill="red"') + covering(f'id="{blue_id}" fill="blue"') + "</defs>"


def stop_of_light(share: float) -> str:
    """The stop of a gradient from red to lime that is mixed as light, linear RGB; the share of lime (sRGB's formula)."""
    red, green = (
        round(255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055))
        for light in (1 - share, share)
    )
    return f'<stop offset="{share}" stop-color="rgb({red},{green},0)"/>'


def styled(css: str, body: str = covering('class="a"')) -> str:
    return f"<style>{css}</style>{body}"


ALL = covering('fill="{}"')
RED, LIME, BLUE, BLACK = (ALL.format(colour) for colour in ("red", "lime", "blue", "black"))
HALF_RED = adorned(RED, 'opacity=".5"')
LEFT_HALF = '<rect width="50" height="100" fill="red"/>'
AT_40 = red_square(40, 'x="40" y="40"')
DISC = '<circle cx="50" cy="50" r="40" fill="red"/>'
LINE = '<path d="M0 50h100" stroke="red" stroke-width="20"/>'
STOPS = '<stop stop-color="{0}"/><stop offset="1" stop-color="{0}"/>'
LIME_GRADIENT = f'<linearGradient id="g">{STOPS.format("lime")}</linearGradient>'
RED_TO_LIME = '<stop stop-color="red"/><stop offset="1" stop-color="lime"/>'
LIGHT = f'<linearGradient id="g">{"".join(stop_of_light(n / 32) for n in range(33))}</linearGradient>{ALL.format("url(#g)")}'
CLIP = '<clipPath id="k"{}><rect x="30" y="30" width="40" height="40"/></clipPath>'
CLIPPED = adorned(RED, 'clip-path="url(#k)"')

# These are drawn alike, and written otherwise.
WRITTEN_OTHERWISE = {"inset of the stroke", "polygon as clip path", "gradient of light", "gradient of light in CSS"}

CASES = {
    # Transforms
    "translate": (red_square(40, 'style="transform:translate(40px,40px)"'), AT_40),
    "translate of a class": (styled(".b{transform:translate(40px,40px)}", f'<g class="b">{red_square(40, "")}</g>'), AT_40),
    "translate in em": (red_square(40, 'style="transform:translate(2em,2.5em)" font-size="16"'), red_square(40, 'x="32" y="40"')),
    "list of transforms": (red_square(20, 'style="transform:translateX(40px) scale(2) translate(0,20px)"'), AT_40),
    "skew": (red_square(40, 'style="transform:skewY(45deg)"'), '<path d="M0 0L40 40V80L0 40z" fill="red"/>'),
    "separate properties": (red_square(20, 'style="translate:40px 40px;scale:2"'), AT_40),
    "transform none": (red_square(40, 'transform="translate(9)" style="transform:none" x="40" y="40"'), AT_40),
    "origin in pixels": (red_square(20, 'style="transform:scale(2);transform-origin:20px 20px" x="30" y="30"'), AT_40),
    "origin of the box": (red_square(20, 'style="transform:scale(2);transform-box:fill-box;transform-origin:center" x="50" y="50"'), AT_40),
    "origin of an attribute": (red_square(20, 'transform="scale(2)" transform-origin="20 20" x="30" y="30"'), AT_40),
    "origin in percent": (red_square(40, 'style="transform:rotate(180deg);transform-origin:50% 50%" x="20" y="20"'), AT_40),
    "units in an attribute": (red_square(40, 'transform="translate(9px,9px)" x="40" y="40"'), AT_40),
    "no units in CSS": (red_square(40, 'style="transform:translate(9,9)" x="40" y="40"'), AT_40),
    "root scaled": (root('viewBox="0 0 100 100" style="transform:scale(.5)"', RED), '<rect x="25" y="25" width="50" height="50" fill="red"/>'),
    # Which rules apply
    "media screen": (styled("@media screen{.a{fill:red}}"), RED),
    "media print": (f'<style media="print">rect{{fill:red}}</style>{BLUE}', BLUE),
    "media of a width": (styled("@media (min-width:200px) and (max-width:300px){.a{fill:red}}"), RED),
    "media dark": (styled(".a{fill:red}@media (prefers-color-scheme:dark){.a{fill:blue}}"), RED),
    "media in media": (styled("@media all{@media not print{.a{fill:red}}}"), RED),
    "supports": (styled("@supports (fill:red){.a{fill:red}}@supports (nosuch:1){.a{fill:blue}}"), RED),
    "supports not": (styled(".a{fill:red}@supports not (display:none){.a{fill:blue}}"), RED),
    "nested rule": (styled("svg{fill:blue;&amp; .a{fill:red}}"), RED),
    "nested rule with a combinator": (styled("svg{>.a{fill:red}}"), RED),
    "nested media": (styled(".a{fill:blue;@media screen{fill:red}}"), RED),
    "layers": (styled("@layer x{#r{fill:blue}}.a{fill:red}", covering('id="r" class="a"')), RED),
    "order of layers": (styled("@layer x,y;@layer y{.a{fill:red}}@layer x{.a{fill:blue}}"), RED),
    "pseudo-element": (styled(".a{fill:red}.a::before{fill:blue}"), RED),
    "invalid selector": (styled(".a{fill:red}.a,.b:foo{fill:blue}"), RED),
    "other language": (f'<style type="text/x">rect{{fill:blue}}</style>{RED}', RED),
    "namespace": (styled("@namespace s url(http://www.w3.org/2000/svg);s|rect{fill:red}"), RED),
    "important rule": (styled("rect{fill:red!important}", covering('style="fill:blue"')), RED),
    "important style": (styled("rect{fill:blue!important}", covering('style="fill:red !important"')), RED),
    "nth-child": (styled("rect:nth-child(2){fill:red}"), RED),
    "comment marks": ("<style><![CDATA[<!-- rect{fill:red} -->]]></style>" + BLACK.replace(' fill="black"', ""), RED),
    # Values
    "empty declaration": (covering('style=";fill:red"'), RED),
    "upper case": (covering('style="FILL:red"'), RED),
    "lower case": ('<g color="red"><rect width="100" height="100" fill="currentcolor"/></g>', RED),
    "spaces": ('<rect width=" 100 " height="100" fill=" red "/>', RED),
    "variable": (styled(":root{--c:red}.a{fill:var(--c)}"), RED),
    "variable of an attribute": ('<g style="--c:red"><rect width="100" height="100" fill="var(--c)"/></g>', RED),
    "fallback": (styled(".a{fill:var(--none,red)}"), RED),
    "fallback in fallback": (styled(".a{fill:var(--none,var(--other,red))}"), RED),
    "variable of variables": (styled(":root{--a:var(--b);--b:red}.a{fill:var(--a)}"), RED),
    "circular variables": (styled(".a{--a:var(--b);--b:var(--a);fill:var(--a,red)}"), RED),
    "invalid variable": (styled(".a{--a:20px;fill:var(--a)}", '<g fill="red"><rect class="a" width="100" height="100" fill="blue"/></g>'), RED),
    "missing variable": (styled(".a{fill:var(--none)}", '<g fill="red">' + covering('class="a" fill="blue"') + "</g>"), RED),
    "variable beside one of the element": (f"""<g style="--c:red">{covering('style="--d:lime;fill:var(--c)"')}</g>""", RED),
    "part of a value": (styled(".a{--n:0;fill:rgb(255,var(--n),var(--n))}"), RED),
    "variable of a use": ('<style>.s{fill:var(--c,blue)}</style><symbol id="s"><rect class="s" width="50" height="100"/></symbol><use href="#s" style="--c:red"/><use href="#s" x="50"/>', '<rect width="50" height="100" fill="red"/><rect x="50" width="50" height="100" fill="blue"/>'),
    "initial": ('<g fill="red"><rect width="100" height="100" style="fill:initial"/></g>', BLACK),
    "unset": ('<g fill="red"><rect width="100" height="100" fill="blue" style="fill:unset"/></g>', RED),
    "half red": (covering('fill="rgb(255 0 0 / 50%)"'), HALF_RED),
    "named colour": (ALL.format("rebeccapurple"), ALL.format("#639")),
    "oklch": (ALL.format("oklch(70% 0.2 30)"), ALL.format("#ff614d")),
    "oklch out of sRGB": (ALL.format("oklch(70% 0.4 140)"), ALL.format("#00cd00")),
    "hwb": (ALL.format("hwb(90 10% 10%)"), ALL.format("#80e61a")),
    "lab": (ALL.format("lab(50% 40 20)"), ALL.format("#b95857")),
    "display-p3": (ALL.format("color(display-p3 1 0 0)"), RED),
    "lch": (ALL.format("lch(50% 44.721 26.565)"), ALL.format("#b95857")),
    "oklab": (ALL.format("oklab(0.62796 0.22486 0.12585)"), RED),
    "xyz": (ALL.format("color(xyz 0.41239 0.21264 0.01933)"), RED),
    "xyz-d50": (ALL.format("color(xyz-d50 0.43607 0.22249 0.01392)"), RED),
    "srgb-linear": (ALL.format("color(srgb-linear 0.5 0 1)"), ALL.format("#bc00ff")),
    "hsl": (ALL.format("hsl(120deg 100% 50%)"), LIME),
    "channel of none": (ALL.format("color(display-p3 none 0 none)"), BLACK),
    "mixed colours": (ALL.format("color-mix(in srgb, red, blue)"), ALL.format("#800080")),
    "system colour": (ALL.format("LinkText"), ALL.format("#00e")),
    "invalid colour": (f'<g fill="red">{ALL.format("#12345")}</g>', RED),
    "invalid declaration": (covering('style="fill:red;fill:nosuch"'), RED),
    "no colour": (f'<g fill="red">{ALL.format("")}</g>', RED),
    "invalid opacity": (covering('fill="red" fill-opacity="half%"'), RED),
    "opacity in percent": (covering('fill="red" fill-opacity="50%"'), HALF_RED),
    # Geometry
    "radius of a class": (styled("circle{r:40px}", '<circle cx="50" cy="50" fill="red"/>'), DISC),
    "size of a nested svg": ('<g><svg style="width:50px;height:50px"><rect width="100" height="100" fill="red"/></svg></g>', RED),
    "size of the root": (root('viewBox="0 0 100 100" width="200" height="100" style="width:100px"', RED), RED),
    "percentages": ('<circle style="cx:50%;cy:50%;r:40%" fill="red"/>', DISC),
    "em": ('<rect width="5em" height="100" fill="red" font-size="10"/>', LEFT_HALF),
    "rem": (root('viewBox="0 0 100 100" font-size="20"', '<rect width="2.5rem" height="100" fill="red"/>'), LEFT_HALF),
    "calc": ('<rect style="width:calc(50% + 20px);height:calc(10px * 6)" fill="red"/>', '<rect width="70" height="60" fill="red"/>'),
    "clamp": ('<rect style="width:clamp(10px,90px,50px);height:max(20px,3em)" font-size="20" fill="red"/>', '<rect width="50" height="60" fill="red"/>'),
    "path": ('<path style="d:path(&quot;M0 0h60v60h-60z&quot;)" fill="red"/>', '<rect width="60" height="60" fill="red"/>'),
    "use": ('<defs><rect id="a" width="30" height="30" fill="red"/></defs><use href="#a" style="x:50px"/>', '<rect x="50" width="30" height="30" fill="red"/>'),
    "stroke in em": ('<path d="M0 50h100" stroke="red" font-size="20" stroke-width="1em"/>', LINE),
    "pathLength": ('<path d="M10 50H90" pathLength="100" stroke="red" stroke-width="20" stroke-dasharray="25"/>', '<path d="M10 50H90" stroke="red" stroke-width="20" stroke-dasharray="20"/>'),
    "pathLength of a circle": ('<g stroke-dasharray="1"><circle cx="50" cy="50" r="30" pathLength="9" fill="none" stroke="red" stroke-width="20"/></g>', '<circle cx="50" cy="50" r="30" stroke-dasharray="20.944" fill="none" stroke="red" stroke-width="20"/>'),
    "stroke that is not scaled": ('<g transform="scale(10)"><path d="M1 5H9" stroke="red" stroke-width="22.4" vector-effect="non-scaling-stroke"/></g>', '<path d="M10 50H90" stroke="red" stroke-width="10"/>'),
    "dashes that are not scaled": ('<style>path{vector-effect:non-scaling-stroke}</style><g transform="scale(2)" stroke-width="22.4"><path d="M0 25H50" stroke="red" stroke-dasharray="44.8"/></g>', '<path d="M0 50H100" stroke="red" stroke-width="10" stroke-dasharray="20"/>'),
    "background": (root('viewBox="0 0 100 100" style="background:#00f"', AT_40), BLUE + AT_40),
    "background beside the view": (root('viewBox="0 0 100 50" width="100" height="100" style="background-color:blue"', ""), BLUE),
    "background of the colour": (root('viewBox="0 0 100 100" color="blue" style="background:currentColor"', AT_40), BLUE + AT_40),
    "background of a class": (root('viewBox="0 0 100 100" class="x"', f"<style>.x{{background:lime}}</style>{AT_40}"), LIME + AT_40),
    "circle as clip path": (covering('fill="red" style="clip-path:circle(40px at 50px 50px)"'), '<clipPath id="k"><circle cx="50" cy="50" r="40"/></clipPath>' + CLIPPED),
    "inset of the stroke": ('<rect x="30" y="30" width="40" height="40" stroke="blue" stroke-width="20" fill="red" style="clip-path:inset(20px)"/>', red_square(20, 'x="40" y="40"')),
    "polygon as clip path": (covering('fill="red" clip-path="polygon(0 0, 100% 0, 0 100%)"'), '<path d="M0 0h100L0 100z" fill="red"/>'),
    # Gradients
    "gradient of light": (f'<linearGradient id="g" color-interpolation="linearRGB">{RED_TO_LIME}</linearGradient>{ALL.format("url(#g)")}', LIGHT),
    "gradient of light in CSS": (f'<g style="color-interpolation:linearrgb"><linearGradient id="g">{RED_TO_LIME}</linearGradient></g>{ALL.format("url(#g)")}', LIGHT),
    # References
    "two gradients of one id": (f'{LIME_GRADIENT}<linearGradient id="g">{STOPS.format("blue")}</linearGradient>{ALL.format("url(#g)")}', LIME),
    "two shapes of one id": (defined("a", "a") + '<use href="#a"/>', RED),
    "hidden clip path": (CLIP.format(' display="none"') + CLIPPED, RED),
    "clip path in hidden definitions": (f'<defs display="none">{CLIP.format("")}</defs>{CLIPPED}', RED),
    "hidden gradient": (LIME_GRADIENT.replace('id="g"', 'id="g" display="none"') + ALL.format("url(#g) red"), RED),
    "missing filter": (adorned(RED, 'filter="url(#nope)"'), RED),
    "missing mask": (adorned(RED, 'style="mask:url(#nope)"'), RED),
    "missing marker": (adorned(LINE, 'marker-start="url(#no)"'), LINE),
    "two links": (defined("a", "b") + '<use href="#a" xlink:href="#b"/>', RED),
    "required features": ("<switch>" + adorned(RED, 'requiredFeatures="http://example.org/#Nope"') + BLUE + "</switch>", RED),
    "required extension": (f'<switch><g requiredExtensions="http://www.w3.org/1999/xhtml">{RED}</g>{BLUE}</switch>', RED),
    "no required extension": (f'<switch><g requiredExtensions="">{BLUE}</g>{RED}</switch>', RED),
}  # fmt: skip
