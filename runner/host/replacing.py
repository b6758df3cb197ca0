"""A finished file or folder put in the place of another one: at no moment is there half of it.

Files are replaced by rename(2); a folder that takes another one's place by renameat2(2), where the system has it.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable

from runner.host.files import Draft, remove_tree

__all__ = ["put", "put_link"]

AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of linux/fcntl.h and linux/fs.h


def put(source: str, target: str, kept: Iterable[str] = ()) -> None:
    """Moves `source` to `target`, or to where that leads; its folder is made if there is none. OSError.

    A file that has another name elsewhere, through which somebody may change it, is copied. `kept`: what is in the
    folder `target` and stays there, by its path in it; FileExistsError where `source` has something else in its way.
    """
    target = os.path.realpath(target)
    draft = Draft(target)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        _own(source)
        _bring(source, draft.path)
        for name in kept:
            _also(os.path.join(target, name), os.path.join(draft.path, name))
        if os.path.isdir(target) or (os.path.isdir(draft.path) and os.path.lexists(target)):
            _exchange(draft.path, target)
            remove_tree(draft.path)
        else:
            draft.put()
    except BaseException:
        draft.drop()
        raise


def put_link(source: str, target: str) -> None:
    """Moves the link `source` to `target`; a link there is replaced, not what it leads to. OSError."""
    with Draft(target) as draft:
        os.symlink(os.readlink(source), draft)


def _own(source: str) -> None:
    """Of what has several names a copy takes the place of this one."""
    if os.path.isdir(source) and not os.path.islink(source):
        for folder, _, names in os.walk(source):
            for name in names:
                _own_file(os.path.join(folder, name))
    else:
        _own_file(source)


def _own_file(path: str) -> None:
    found = os.lstat(path)
    if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
        with Draft(path) as draft:
            shutil.copy2(path, draft)
            os.chmod(draft, found.st_mode | stat.S_IWUSR)


def _also(source: str, target: str) -> None:
    """A second name; a copy where the file system has no such thing."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(source) and not os.path.islink(source):
        os.mkdir(target)
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def _bring(source: str, draft: str) -> None:
    try:
        os.rename(source, draft)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        if os.path.isdir(source) and not os.path.islink(source):
            shutil.copytree(source, draft, symlinks=True)
        else:
            shutil.copy2(source, draft, follow_symlinks=False)


def _exchange(one: str, other: str) -> None:
    """Gives each the other's name, at once where the system can."""
    import ctypes

    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        renameat2 = None
    if renameat2 is not None:
        if not renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE):
            return
        if ctypes.get_errno() not in (errno.EINVAL, errno.ENOSYS):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), other)
    aside = f"{one}-old"  # for some microseconds there is nothing
    os.rename(other, aside)
    os.rename(one, other)
    os.rename(aside, one)
