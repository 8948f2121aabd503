"""Builds the C++ extension. Everything else about the package is in pyproject.toml.

A machine that cannot build it still gets the package: the reason is kept in `unwarp/_native_reason.txt`, which
`unwarp.available_backends()` shows. With UNWARP_REQUIRE_BACKENDS=native a failure to build is an error instead.
"""

import os
import platform
import shlex
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

REASON = "_native_reason.txt"
ON_X86 = platform.machine().lower() in ("x86_64", "amd64") and not os.environ.get("UNWARP_BASELINE_ONLY")

# The oldest torch whose stable ABI has all that is used, and the newest the build asks nothing more of: 2.10.
TARGET = "-DTORCH_TARGET_VERSION=0x020a000000000000"
FLAGS = [
    "-std=c++17", "-O3", "-g0", "-fvisibility=hidden", TARGET, "-ffp-contract=fast",
    "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra", "-Wno-psabi",
    # gcc 12 sees uses of uninitialised variables in its own immintrin.h.
    "-Wno-maybe-uninitialized", "-Wno-uninitialized",
]  # fmt: skip
AVX2 = ["-mavx2", "-mfma", "-mf16c"]
AVX512 = [*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]
# A part of a source's name -> how it is compiled. A source for AVX stops the compiler where it finds none.
INSTRUCTIONS = {
    "avx2": AVX2,
    "avx512": AVX512,
    "baseline_cpu": ["-O2"],  # for x86 processors from before 2013: half the time to compile
}


class BuildNative(build_ext):
    """Compiles each source with the instructions it is for, and lets a failure pass unless it must not."""

    def run(self) -> None:
        try:
            super().run()
        except BaseException as error:
            if not isinstance(error, Exception | SystemExit) or self._required():
                raise
            self._keep(f"it was not built when the package was installed ({_first_line(error)})")
        else:
            self._keep(None)

    def build_extension(self, ext: Extension) -> None:
        if sys.platform == "win32":
            raise RuntimeError("the extension is not built on Windows")
        torch = _torch_folder()
        self.include_dirs = [*self.include_dirs, str(torch / "include"), str(torch / "include/torch/csrc/api/include")]
        extra = shlex.split(os.environ.get("UNWARP_CXXFLAGS", ""))
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            parts = pool.map(lambda source: self._compile(ext, source, extra), ext.sources)
            objects = [name for names in parts for name in names]
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        self.compiler.link_shared_object(
            objects,
            str(target),
            library_dirs=[str(torch / "lib")],
            libraries=["torch_cpu", "torch", "c10"],
            extra_postargs=extra,
            target_lang="c++",
        )

    def _compile(self, ext: Extension, source: str, extra: list[str]) -> list[str]:
        own = [flag for part, flags in INSTRUCTIONS.items() if part in Path(source).stem for flag in flags]
        native = ["-DUNWARP_X86", *own] if ON_X86 else []
        return self.compiler.compile(
            [source],
            output_dir=self.build_temp,
            include_dirs=self.include_dirs,
            depends=ext.depends,
            extra_postargs=[*FLAGS, *native, *extra],
        )

    def _required(self) -> bool:
        return "native" in os.environ.get("UNWARP_REQUIRE_BACKENDS", "")

    def _keep(self, reason: str | None) -> None:
        path = Path(self.get_ext_fullpath("unwarp._native")).parent / REASON
        path.unlink(missing_ok=True)
        if reason is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(reason + "\n", encoding="utf-8")


def _torch_folder() -> Path:
    try:
        import torch
    except ImportError as error:
        raise RuntimeError(
            "torch could not be imported while building: install torch first, then pip install --no-build-isolation"
        ) from error
    return Path(torch.__file__).parent


def _first_line(error: BaseException) -> str:
    """What went wrong in one line; of a compiler's command only how it begins."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return textwrap.shorten(line, width=120, placeholder=" ...")


setup(
    ext_modules=[
        Extension(
            "unwarp._native",
            sources=sorted(str(path) for path in Path("csrc").glob("*.cpp")),
            depends=sorted(str(path) for path in Path("csrc").glob("*.h")),
            py_limited_api=True,
            language="c++",
        )
    ],
    cmdclass={"build_ext": BuildNative},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
