"""Writes the small HDF5 files of this folder: unusual ones that are sound, and hostile ones.

Run with h5py 3.14.0 and numpy 2.4.6; the files are committed, so only a change of this script asks for it.
"""

import pathlib

import h5py
import numpy as np

here = pathlib.Path(__file__).parent
values = np.arange(6, dtype="float32").reshape(2, 3)


def write(name, fill, **options):
    with h5py.File(here / f"{name}.h5", "w", **options) as file:
        fill(file)


def sound(file):
    file.create_dataset("layers/dense/vars/0", data=values)


def with_sound(fill):
    def both(file):
        sound(file)
        fill(file)

    return both


# Sound: every reader should take these.
write("sound", sound)
write("scalar_and_empty", lambda file: (file.create_dataset("scalar", data=np.int32(7)),
                                        file.create_dataset("none", data=np.zeros((0, 3), "float32"))))
write("integers", lambda file: [file.create_dataset(kind, data=np.array([1, 2], kind))
                                for kind in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
                                             "float16", "float64")])
write("no_datasets", lambda file: file.create_group("layers"))


def fixed_attribute(file):
    bits = np.array([0x3F80, 0x4000], "uint16").view("V2")
    file.create_dataset("x", data=bits).attrs.create("dtype", np.bytes_("bfloat16"))


write("bfloat16_fixed_string", fixed_attribute)

def bfloat16_numbers(file):
    kind = h5py.h5t.IEEE_F16LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_ebias(127)
    dataset = h5py.h5d.create(file.id, b"x", kind, h5py.h5s.create_simple((2,)))
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([1, 2], "float32"), h5py.h5t.NATIVE_FLOAT)


write("bfloat16_numbers", bfloat16_numbers)


def compact(file):
    options = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    options.set_layout(h5py.h5d.COMPACT)
    dataset = h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((2, 3)), options)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, values)


write("compact", compact)
write("wide_group", lambda file: [file.create_dataset(f"x{i}", data=np.float32(i)) for i in range(150)])

# Not as Keras writes it, or hostile: each must be refused.
write("latest_format", sound, libver="latest")
write("big_endian", lambda file: file.create_dataset("x", data=values.astype(">f4")))
write("external_link", with_sound(lambda file: file.__setitem__("out", h5py.ExternalLink("outside.h5", "/x"))))
write("soft_link", with_sound(lambda file: file.__setitem__("again", h5py.SoftLink("/layers/dense/vars/0"))))
write("dangling_link", with_sound(lambda file: file.__setitem__("gone", h5py.SoftLink("/nowhere"))))
write("link_to_itself", with_sound(lambda file: file.__setitem__("self", h5py.SoftLink("/self"))))
write("ring", with_sound(lambda file: file["layers"].__setitem__("ring", file["layers"])))
write("external_storage", lambda file: file.create_dataset("x", shape=(6,), dtype="float32",
                                                           external=[("outside.bin", 0, 24)]))
write("external_storage_above", lambda file: file.create_dataset("x", shape=(6,), dtype="float32",
                                                                 external=[("../outside.bin", 0, 24)]))


def virtual(file):
    layout = h5py.VirtualLayout(shape=(6,), dtype="float32")
    layout[:] = h5py.VirtualSource("outside.h5", "x", shape=(6,))
    file.create_virtual_dataset("x", layout)


write("virtual", virtual)
write("chunked", lambda file: file.create_dataset("x", data=values, chunks=(1, 3)))
write("compressed_bomb", lambda file: file.create_dataset("x", shape=(2**30,), dtype="float32", chunks=(2**20,),
                                                          compression="gzip"))
write("unwritten", lambda file: file.create_dataset("x", shape=(4,), dtype="float32"))
write("unwritten_terabytes", lambda file: file.create_dataset("x", shape=(2**20, 2**18), dtype="float32"))
write("product_beyond_2_53", lambda file: file.create_dataset("x", shape=(2**31, 2**29), dtype="float32"))


def one_dataset_many_names(file):
    file.create_dataset("x", data=np.zeros(500, "float32"))
    for i in range(20):
        file[f"x{i}"] = file["x"]


write("ring_to_the_root", with_sound(lambda file: file["layers"].__setitem__("ring", file["/"])))
write("many_names", one_dataset_many_names)
write("strings", lambda file: file.create_dataset("x", data=["a", "b"]))
write("compound", lambda file: file.create_dataset("x", data=np.zeros(2, [("a", "float32"), ("b", "int32")])))
write("null_space", lambda file: file.create_dataset("x", data=h5py.Empty("float32")))
write("named_type", lambda file: file.__setitem__("type", np.dtype("float32")))
write("opaque_without_dtype", lambda file: file.create_dataset("x", data=np.zeros(2, "uint16").view("V2")))
write("long_double", lambda file: file.create_dataset("x", data=np.zeros(2, np.longdouble)))


def odd_attribute(file):
    dataset = file.create_dataset("x", data=np.zeros(2, "uint16").view("V2"))
    dataset.attrs["dtype"] = np.arange(100)


write("dtype_is_a_list", odd_attribute)
write("behind_a_user_block", sound, userblock_size=512)
