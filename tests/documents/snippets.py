"""Runs the snippets of the documents in one language:  snippets.py LANGUAGE MODEL FOLDER

LANGUAGE: sh, python, rust, c, cpp or js. MODEL: an exported model, with its file of gradients beside it, which snippets
find as model.onnx. FOLDER: where they run; for js a project that has the package.

A snippet is a fenced block. Each runs by itself, but those of sh, which run page by page. One that is not to be run has
a comment before it that says why: <!-- not run: REASON -->. What begins with four spaces is a command of a measurement,
which takes too long: of these only the names of programs and options are checked.

    RUSTC_EXTERN    for rust: the folder of libsparsecbm.rlib
    PKG_CONFIG_PATH for c and cpp
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import textwrap

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FENCE = re.compile(r"(?:<!-- not run: (?P<reason>[^>]+) -->\n+)?^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S)
# What a page may read: the repository's own files.
LINKS = ("examples", "tests", "training", "bench", "bindings-c", "bindings-wasm")


def pages():
    return [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]


def snippets(page, language):
    """Line, code and the reason not to run it, of each."""
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        if found["language"] == language:
            yield text[: found.start("code")].count("\n") + 1, found["code"], found["reason"]


def run(command, folder, **named):
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **named)
    return done.returncode, done.stdout


def sh(code, folder):
    return run(["bash", "-euo", "pipefail", "-c", code], folder)


def python(code, folder):
    (folder / "snippet.py").write_text(code, encoding="utf-8")
    return run([sys.executable, "snippet.py"], folder)


def rust(code, folder):
    if "fn main" not in code:
        lines = code.splitlines(keepends=True)
        uses = "".join(line for line in lines if line.startswith("use "))
        body = "".join(line for line in lines if not line.startswith("use "))
        code = f"{uses}fn main() -> Result<(), Box<dyn std::error::Error>> {{\n{body}\nOk(())\n}}\n"
    (folder / "snippet.rs").write_text(code, encoding="utf-8")
    built = pathlib.Path(os.environ["RUSTC_EXTERN"])
    command = ["rustc", "--edition", "2024", "snippet.rs", "--extern", f"sparsecbm={built}/libsparsecbm.rlib"]
    code, told = run([*command, "-L", f"dependency={built}/deps"], folder)
    return (code, told) if code else run(["./snippet"], folder)


def compiled(code, folder, name, compiler, header):
    if "int main" not in code:
        code = f"#include <{header}>\n#include <stdio.h>\n#include <string.h>\nint main(void)\n{{\n{code}\nreturn 0;\n}}\n"
    (folder / name).write_text(code, encoding="utf-8")
    flags = subprocess.check_output(["pkg-config", "--cflags", "--libs", "sparsecbm"], text=True).split()
    code, told = run([*compiler, name, *flags, "-o", "snippet"], folder)
    return (code, told) if code else run(["./snippet"], folder)


def c(code, folder):
    return compiled(code, folder, "snippet.c", ["cc", "-std=c99"], "sparsecbm.h")


def cpp(code, folder):
    return compiled(code, folder, "snippet.cpp", ["c++", "-std=c++17"], "sparsecbm.hpp")


def js(code, folder):
    (folder / "snippet.mjs").write_text(code, encoding="utf-8")
    return run(["node", "snippet.mjs"], folder)


RUNNERS = {"sh": sh, "python": python, "rust": rust, "c": c, "cpp": cpp, "js": js}


def commands(text):
    """The lines of commands that begin with four spaces, each with those that it goes on in."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S).replace("\\\n", " ")
    return [line.strip() for line in re.findall(r"^ {4}(?! )(\S.*)$", text, re.M)]


def check_names(page, helps):
    """Whether programs and options of commands that are not run exist."""
    for line in commands(page.read_text(encoding="utf-8")):
        words = shlex.split(line, comments=True, posix=True) if line.count('"') % 2 == 0 else line.split()
        while words and (words[0] in ("for", "do", "export") or "=" in words[0]):
            words = words[1:]
        if words[:1] == ["cargo"] and "sparsecbm-cli" in words and "--" in words:
            words = ["sparsecbm", *words[words.index("--") + 1 :]]
        if not words:
            continue
        program = words[0]
        if "/" in program and not program.startswith(("target/", "/", "~", ".")) and ".venv" not in program:
            if not (REPOSITORY / program).exists() and not (REPOSITORY / "server" / program).exists():
                yield f"{line}: no {program}"
        if program in ("python", "node") and len(words) > 1 and words[1].endswith((".py", ".mjs")):
            if not (REPOSITORY / words[1]).exists():
                yield f"{line}: no {words[1]}"
        if program == "sparsecbm" and len(words) > 1:
            described = helps(words[1], words[2] if len(words) > 2 else "")
            for option in (word.split("=")[0] for word in words[2:] if word.startswith("--") and word != "--"):
                if option not in described:
                    yield f"{line}: no option {option}"


def helps():
    known = {}

    def told(command, nested):
        for words in ((command, nested), (command,)):
            if words not in known:
                known[words] = run(["sparsecbm", *words, "--help"], REPOSITORY) if re.fullmatch(r"[a-z-]+", words[-1]) else (2, "")
            if known[words][0] == 0:
                return known[words][1]
        return ""

    return told


def main():
    language, model, folder = sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3]).resolve()
    failed, passed, left_out = [], 0, 0
    told_of = helps()
    for page in pages():
        name = page.relative_to(REPOSITORY)
        if language == "sh":
            failed += [f"{name}: {complaint}" for complaint in check_names(page, told_of)]
        work = folder
        if language != "js":
            work = folder / re.sub(r"\W", "-", str(name))
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            for link in LINKS:
                (work / link).symlink_to(REPOSITORY / link)
        shutil.copy(model, work / "model.onnx")
        shutil.copy(model.with_suffix(".gradients.onnx"), work / "model.gradients.onnx")
        for line, code, reason in snippets(page, language):
            if reason:
                left_out += 1
                continue
            status, told = RUNNERS[language](code, work)
            if status:
                failed.append(f"{name}:{line}: ended with {status}\n{textwrap.indent(told[-2000:], '    ')}")
            else:
                passed += 1
    for complaint in failed:
        print(complaint, file=sys.stderr)
    print(f"{passed} snippets of {language} ran, {left_out} are not to be run, {len(failed)} failed")
    return bool(failed) or passed == 0


if __name__ == "__main__":
    sys.exit(main())
