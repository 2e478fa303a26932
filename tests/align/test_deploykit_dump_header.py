"""The C header that board code includes: compiled here, run, and its dump read back."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
import pytest

import deploykit.align
from deploykit.align.contract import Contract, encode

if TYPE_CHECKING:
    from tests.align.conftest import Lab

PROGRAM = """
#include "deploykit_dump.h"
#include <stdlib.h>

int main(int count, char **words) {
    dk_dump dump;
    static unsigned char codes[2 * 3 * 32];
    static float plain[4] = {0.5f, -1.0f, 2.0f, 8.0f};
    float scale = 0.05f;
    int32_t zero_point = -3;
    long frame;
    dk_tensor heat = {.name = "/head/heat", .dtype = "int8", .layout = "NC1HWC2", .channel_block = 16,
                      .rank = 4, .shape = {1, 19, 1, 3}, .channel_axis = 1, .row_pitch_bytes = 0,
                      .scale_count = 1, .scale = &scale, .zero_point = &zero_point};
    dk_tensor out = {.name = "out", .dtype = "float", .rank = 2, .shape = {2, 2}};
    dk_tensor wrong = {.name = "tab\\there", .dtype = "float", .rank = 0};
    FILE *file = fopen(words[2], "rb");
    if (count != 3 || file == NULL || dk_dump_open(&dump, words[1], "model-1") != 0) return 1;
    for (frame = 0; frame < 2; frame++) {
        if (fread(codes, 1, 96, file) != 96) return 2;
        if (dk_dump_write(&dump, frame, &heat, codes, 96) != 0) return 3;
        if (dk_dump_write(&dump, frame, &out, plain, sizeof plain) != 0) return 4;
    }
    if (dk_dump_write(&dump, 0, &wrong, plain, 4) != EINVAL) return 5;
    fclose(file);
    return dk_dump_close(&dump);
}
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_a_program_dumps_what_the_command_reads(lab: Lab) -> None:
    header = Path(deploykit.align.__file__).parent
    source = lab.write("board.c", PROGRAM)
    program = lab.folder / "board.out"
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsanitize=undefined"]
    subprocess.run(["gcc", *flags, f"-I{header}", str(source), "-o", str(program)], check=True)
    contract = Contract(
        (1, 19, 1, 3), "int8", layout="NC1HWC2", channel_block=16, scale=(0.05,), zero_point=(-3,)
    )
    values = numpy.random.default_rng(5).integers(-100, 100, (2, 1, 19, 1, 3)) * 0.05
    lab.write("codes.bin", b"".join(encode(frame, contract) for frame in values))
    (lab.folder / "board").mkdir()
    subprocess.run([str(program), str(lab.folder / "board"), str(lab.folder / "codes.bin")], check=True)
    for frame in range(2):
        lab.save(f"ref/frame_{frame}/head_heat.npy", values[frame])
        lab.save(f"ref/frame_{frame}/out.npy", [[0.5, -1.0], [2.0, 8.0]])
    answer = lab.diff("--format", "json", "--tolerance", "*:max_abs<=1e-5")
    assert answer.code == 0, answer.err
    heat = answer.tensor("head_heat")
    assert (heat["board_name"], heat["frames"], heat["dtypes"]) == ("/head/heat", [0, 1], ["float", "int8"])
    assert answer.tensor("out")["measures"]["bit_exact"] == 1.0
