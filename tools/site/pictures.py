"""Pictures of what the command prints:  pictures.py COMMAND MODELS FOLDER"""

import fcntl
import io
import os
import pathlib
import pty
import re
import struct
import sys
import termios

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

COLUMNS, LINES = 96, 50
TEXT = "Good food, but so loud we had to shout."
# Name, arguments, and how many lines are shown.
PICTURES = [
    ("predict", ["predict", "model.onnx", TEXT, "--set", "noise=positive"], 40),
    ("explain", ["explain", "model.onnx", TEXT], 45),
    ("inspect", ["inspect", "model.onnx"], 18),
]
BLACK, GREY = (38, 42, 48), (90, 96, 104)
COLOURS = [(180, 40, 40), (30, 120, 70), (160, 100, 0), (0, 95, 170), (120, 60, 140), (0, 120, 130)]
THEME = TerminalTheme((251, 251, 250), BLACK, [BLACK, *COLOURS, GREY], [GREY, *COLOURS, BLACK])


def printed(command, arguments, folder):
    """What the command prints on a terminal."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ.update(TERM="xterm-256color", COLUMNS=str(COLUMNS))
        os.environ.pop("NO_COLOR", None)
        os.execv(command, ["sparsecbm", *arguments])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    output = b""
    try:
        while piece := os.read(terminal, 65536):
            output += piece
    except OSError:  # The child has closed its side.
        pass
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"{arguments}: ended with {status}: {output.decode()}")
    # A progress bar draws over its own line and clears it.
    text = output.decode().replace("\r\n", "\n")
    return re.sub(r"^.*\r", "", re.sub(r"\x1b\[\?25[lh]|\x1b\[2?K", "", text), flags=re.MULTILINE)


def quoted(argument):
    return f'"{argument}"' if " " in argument else argument


def main():
    command, folder, pictures = os.path.abspath(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
    # Without fonts from elsewhere.
    form = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    form = form.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")
    for name, arguments, most in PICTURES:
        lines = printed(command, arguments, folder).rstrip().split("\n")
        shown = lines[:most] + (["…"] if len(lines) > most else [])
        console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
        console.print(Text.from_ansi("\n".join(shown)), end="")
        title = " ".join(["sparsecbm", *map(quoted, arguments)])
        console.save_svg(str(pictures / f"{name}.svg"), title=title, theme=THEME, code_format=form, unique_id=name)
        print(f"drew {pictures / name}.svg")


if __name__ == "__main__":
    main()
