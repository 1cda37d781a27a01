"""Checks that the commands of `aws` and `sam` in documents are ones that there are, with options that they take, offline.

usage: commands.py document.md…
"""

import re
import sys
from pathlib import Path

import botocore.session
from botocore import xform_name
from samcli.commands.build.command import cli as build
from samcli.commands.deploy.command import cli as deploy

# What the AWS CLI adds to every command: https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-options.html
GLOBAL = {"--query", "--output", "--region", "--profile", "--no-paginate", "--max-items", "--page-size"}
# Commands that are the CLI's own and no operation of a service.
OWN = {
    ("configure", "export-credentials"): {"--format"},
    ("s3", "cp"): {"--recursive"},
    ("s3", "sync"): set(),
}
SAM = {"build": build, "deploy": deploy}


def commands(text):
    """Each command of `aws` or `sam` as its words, wherever in a line it begins."""
    text = text.replace("\\\n", " ")
    for match in re.finditer(r"(?<![\w./-])(aws|sam) (?=[a-z0-9-]+)", text):
        words, word, quote = [], "", None
        for character in text[match.start():] + "\n":
            if quote:
                quote = None if character == quote else quote
                word += character
            elif character in "'\"":
                # A quote that ends what a command stands in, as in "$(aws …)", comes after its bracket.
                quote = character
                word += character
            elif character in " \n|;&)`<>":
                words += [word] if word else []
                word = ""
                if character != " ":
                    break
            else:
                word += character
        yield words


def options(words):
    return {word.split("=")[0] for word in words if word.startswith("--")}


def wrong_with(words):
    """What is wrong with a command, or nothing. A name in a text need not be complete."""
    program, command, *rest = words
    if program == "sam":
        known = {option for parameter in SAM[command].params for option in parameter.opts} if command in SAM else None
        return f"there is no sam {command} here" if known is None else sorted(options(rest) - known)
    if not rest:
        return None
    operation, *rest = rest
    if (command, operation) in OWN:
        return sorted(options(rest) - OWN[command, operation] - GLOBAL)
    if command == "s3":
        return f"there is no aws s3 {operation} here"
    try:
        # `s3` is the CLI's own; the operations of S3 are under another name.
        service = SESSION.get_service_model("s3" if command == "s3api" else command)
    except botocore.exceptions.UnknownServiceError:
        return f"there is no service {command}"
    if operation == "wait":
        names = SESSION.get_waiter_model(command).waiter_names
        waiters = {xform_name(name, "-"): SESSION.get_waiter_model(command).get_waiter(name).operation for name in names}
        if rest[0] not in waiters:
            return f"there is nothing to wait for called {rest[0]}"
        operation, rest = xform_name(waiters[rest[0]], "-"), rest[1:]
    known = {xform_name(name, "-"): name for name in service.operation_names}
    if operation not in known:
        return f"{command} has no {operation}"
    shape = service.operation_model(known[operation]).input_shape
    takes = set()
    for name, member in shape.members.items() if shape else ():
        takes.add(f"--{xform_name(name, '-')}")
        if member.type_name == "boolean":
            takes.add(f"--no-{xform_name(name, '-')}")
    missing = {f"--{xform_name(name, '-')}" for name in shape.required_members} if shape else set()
    return sorted(options(rest) - takes - GLOBAL) + sorted(f"without {name}" for name in missing - options(rest))


SESSION = botocore.session.get_session()
checked, wrong = 0, []
for document in sys.argv[1:]:
    for words in commands(Path(document).read_text(encoding="utf-8")):
        found = wrong_with(words)
        # In a text a command is named without what it works on.
        if found and not (isinstance(found, list) and len(words) <= 3):
            wrong.append(f"{document}: {' '.join(words)}: {found}")
        checked += 1
if wrong or checked < 20:
    sys.exit("\n".join(wrong) or f"only {checked} commands were found")
print(f"{checked} commands of aws and sam are ones that there are, with options that they take")
