"""A terminal's screen, as `tmux capture-pane -e -p -N` prints it, as a picture."""

import re
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

# The colours of a common dark terminal; the console may choose others by number or by value.
FOREGROUND, BACKGROUND = (212, 216, 222), (22, 25, 31)
NAMED = [
    (40, 44, 52), (224, 108, 117), (152, 195, 121), (229, 192, 123),
    (97, 175, 239), (198, 120, 221), (86, 182, 194), (171, 178, 191),
    (110, 118, 132), (240, 130, 138), (172, 214, 140), (242, 208, 145),
    (125, 192, 247), (212, 145, 232), (110, 200, 210), (236, 239, 244),
]
SIZE, MARGIN = 20, 16
ESCAPE = re.compile(r"\x1b\[([0-9;:]*)m|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x0e\x0f]")


@dataclass(frozen=True)
class Style:
    """How a cell is drawn."""

    fore: tuple | None = None
    back: tuple | None = None
    bold: bool = False
    dim: bool = False
    underline: bool = False
    reverse: bool = False


def colour(number: int) -> tuple:
    """A colour of the 256."""
    if number < 16:
        return NAMED[number]
    if number >= 232:
        return (8 + (number - 232) * 10,) * 3
    number -= 16
    return tuple(0 if level == 0 else 55 + level * 40 for level in (number // 36, number // 6 % 6, number % 6))


def styled(style: Style, parameters: str) -> Style:
    """The style after an SGR sequence."""
    codes = [int(code or 0) for code in re.split("[;:]", parameters)]
    while codes:
        code = codes.pop(0)
        if code == 0:
            style = Style()
        elif code in (38, 48):
            field = "fore" if code == 38 else "back"
            if codes.pop(0) == 5:
                value = colour(codes.pop(0))
            else:
                value, codes = tuple(codes[:3]), codes[3:]
            style = replace(style, **{field: value})
        elif code == 1:
            style = replace(style, bold=True)
        elif code == 2:
            style = replace(style, dim=True)
        elif code == 22:
            style = replace(style, bold=False, dim=False)
        elif code in (4, 24):
            style = replace(style, underline=code == 4)
        elif code in (7, 27):
            style = replace(style, reverse=code == 7)
        elif 30 <= code <= 37 or 90 <= code <= 97:
            style = replace(style, fore=NAMED[code - 30 if code < 90 else code - 82])
        elif 40 <= code <= 47 or 100 <= code <= 107:
            style = replace(style, back=NAMED[code - 40 if code < 100 else code - 92])
        elif code == 39:
            style = replace(style, fore=None)
        elif code == 49:
            style = replace(style, back=None)
    return style


def cells(captured: str):
    """Row, column, text and style of every character; combining ones are with their base."""
    style = Style()
    for row, line in enumerate(captured.split("\n")):
        column, position, last = 0, 0, None
        while position < len(line):
            if escape := ESCAPE.match(line, position):
                style = styled(style, escape[1]) if escape[1] is not None else style
                position = escape.end()
                continue
            text = line[position]
            position += 1
            if unicodedata.combining(text) and last:
                last[2] += text
                continue
            if last:
                yield tuple(last)
            last = [row, column, text, style]
            column += 2 if unicodedata.east_asian_width(text) in "WF" else 1
        if last:
            yield tuple(last)


def picture(captured: str, columns: int, rows: int, cursor: tuple | None, fonts: Path) -> Image.Image:
    """Draws the screen; `cursor` is column and row of the cursor, if it is shown."""
    plain = ImageFont.truetype(str(fonts / "DejaVuSansMono.ttf"), SIZE)
    bold = ImageFont.truetype(str(fonts / "DejaVuSansMono-Bold.ttf"), SIZE)
    width, height = round(plain.getlength("M")), sum(plain.getmetrics())
    image = Image.new("RGB", (columns * width + 2 * MARGIN, rows * height + 2 * MARGIN), BACKGROUND)
    draw = ImageDraw.Draw(image)
    glyphs = []
    # All backgrounds first: a glyph may reach over the edge of its cell.
    for row, column, text, style in cells(captured):
        fore, back = style.fore or FOREGROUND, style.back or BACKGROUND
        if style.reverse != (cursor == (column, row)):
            fore, back = back, fore
        if style.dim:
            fore = tuple((2 * one + other) // 3 for one, other in zip(fore, back))
        x, y = MARGIN + column * width, MARGIN + row * height
        wide = 2 if unicodedata.east_asian_width(text[0]) in "WF" else 1
        if back != BACKGROUND:
            draw.rectangle((x, y, x + wide * width - 1, y + height - 1), fill=back)
        if not text.isspace():
            glyphs.append((x, y, text, fore, bold if style.bold else plain))
        if style.underline:
            draw.line((x, y + height - 2, x + wide * width - 1, y + height - 2), fill=fore)
    for x, y, text, fore, font in glyphs:
        draw.text((x, y), text, fill=fore, font=font)
    return image.quantize(colors=128, dither=Image.Dither.NONE)
