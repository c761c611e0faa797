"""What installers leave behind, whole and damaged."""

import sysconfig

import pytest

from taskrunner.doctor.environment.distributions import Extension, digest, find_distributions

OWN = sysconfig.get_config_var("SOABI")


@pytest.fixture
def install(tmp_path):
    """Return what leaves a distribution's folder behind, and gives the only one that is found."""

    def make(*files, name="Native", version="1.0", wheel="Tag: cp313-cp313t-any\n", record=None, metadata=None):
        for file in files:
            path = tmp_path / file
            if path.is_relative_to(tmp_path) and ".." not in file and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        info = tmp_path / "native-1.0.dist-info"
        info.mkdir()
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" if metadata is None else metadata
        (info / "METADATA").write_bytes(text if isinstance(text, bytes) else text.encode())
        if wheel is not None:
            (info / "WHEEL").write_bytes(wheel if isinstance(wheel, bytes) else wheel.encode())
        if record is not False:
            (info / "RECORD").write_bytes(record or "".join(f"{file},,\n" for file in files).encode())
        return find_distributions([str(tmp_path)])

    return make


def modules_of(found):
    (distribution,) = found
    return [(extension.module, extension.abi) for extension in distribution.extensions]


def test_a_distribution_with_extension_modules(install, tmp_path):
    (found,) = install("native/__init__.py", f"native/_a.{OWN}.so", f"native/deep/_b.{OWN}.so", "native/x.abi3.so")
    assert (found.name, found.version, found.tags, found.is_listed) == ("Native", "1.0", ("cp313-cp313t-any",), True)
    assert found.extensions[0] == Extension("native._a", f"{tmp_path}/native/_a.{OWN}.so", OWN)
    assert [extension.abi for extension in found.extensions] == [OWN, OWN, "abi3"]
    assert found.names(OWN) == ["native", "native._a", "native.deep._b", "native.x"]


def test_a_module_for_another_build_is_not_imported_by_itself(install):
    (found,) = install("native/_a.cpython-39-darwin.so")
    assert found.names(OWN) == ["native"]


def test_a_module_beside_the_packages(install):
    (found,) = install(f"alone.{OWN}.so")
    assert found.names(OWN) == ["alone"]


@pytest.mark.parametrize(
    ("data", "modules"),
    [
        (b"..PyInit__c\0..", [("native._c", "")]),
        (b"PyModExport__c\0", [("native._c", "")]),
        (b"PyInit_other\0", []),
        (b"", []),
    ],
)
def test_a_library_without_a_tag_is_a_module_if_it_can_be_imported(install, tmp_path, data, modules):
    (tmp_path / "native").mkdir()
    (tmp_path / "native" / "_c.so").write_bytes(data)
    assert modules_of(install("native/_c.so")) == modules


def test_libraries_that_are_no_modules(install):
    files = ["native.libs/lib-1.so.1", "../../bin/tool.so", "/etc/x.so", "native/a b.cpython-313.so", "native/1.x.so"]
    assert modules_of(install(*files, "native/data.so.gz", "native/also")) == []


def test_without_a_record_it_is_unknown_what_is_its_own(install):
    (found,) = install(record=False)
    assert (found.is_listed, found.extensions) == (False, ())


@pytest.mark.parametrize("record", [b"\xff\xfe\x00\n", b'"a\nb', b"\0,,\n", b"a.so,sha256=,x\n", b"," * 100_000])
def test_a_damaged_record_ends_nothing(install, record):
    (found,) = install(record=record)
    assert found.extensions == ()


@pytest.mark.parametrize("wheel", [None, b"", b"\xff\xff", "Tag\nTags: x\n"])
def test_a_damaged_wheel_has_no_tags(install, wheel):
    (found,) = install(wheel=wheel)
    assert found.tags == ()


@pytest.mark.parametrize("metadata", [b"", b"\xff\xfe", "Name:\nVersion: 1\n", "nothing"])
def test_a_distribution_without_a_name_is_left_out(install, metadata):
    assert install(metadata=metadata) == []


def test_a_name_may_hold_anything(install):
    (found,) = install(name="\x1b[31mred", version="\x07")
    assert (found.name, found.version) == ("\x1b[31mred", "\x07")


def test_the_first_of_two_of_one_name_counts(tmp_path):
    for folder, version in (("a", "1"), ("b", "2")):
        info = tmp_path / folder / f"two_names-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: Two{'.' if folder == 'a' else '-'}Names\nVersion: {version}\n")
    assert [d.version for d in find_distributions([str(tmp_path / "b"), str(tmp_path / "a")])] == ["2"]


def test_the_digest_is_of_the_contents(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"1")
    first = digest(str(path))
    path.write_bytes(b"2")
    assert len(first) == 128
    assert digest(str(path)) != first
    assert digest(str(tmp_path)) == digest("\0") == digest(str(tmp_path / "none")) == ""
