"""De-identification: two hundred patients made up at random, and nothing of them left."""

import gzip
import itertools
import json
import re
from datetime import datetime, timedelta

import nibabel as nib
import numpy as np
import pytest
from pydicom import DataElement, Dataset, dcmread
from pydicom.config import disable_value_validation
from pydicom.datadict import DicomDictionary, dictionary_VR, tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)  # fmt: skip

from qsmkit.errors import InputError, OutputError
from qsmkit.io.deidentify import profile
from qsmkit.io.deidentify.dates import moved_date, moved_datetime, moved_iso
from qsmkit.io.deidentify.folder import deidentify, write_crosswalk
from qsmkit.io.deidentify.header import Rules
from qsmkit.io.deidentify.key import Key, load_key
from qsmkit.io.deidentify.verify import Identifiers, leaks
from qsmkit.io.deidentify.words import cleaned, device_text

KEY = Key(b"a secret of the tests, long enough")
RULES = Rules(KEY)
TEXT = ("PN", "LO", "SH", "LT", "ST", "UT", "UC", "CS", "AE")
CHARACTERS = "SpecificCharacterSet"
EVERY = {
    vr: sorted({k[4] for t, k in DicomDictionary.items() if k[0] == vr and t >> 16 not in (0, 2, 4)} - {"", CHARACTERS})
    for vr in (*TEXT, "DA", "DT", "UI", "SQ", "AS", "TM")
}
"""Every attribute of DICOM's dictionary, by value representation, group lengths and directories apart."""


class Person:
    """Someone who does not exist."""

    def __init__(self, rng):
        def word(n):
            return "".join(rng.choice(list("bdfgklmnprstvz")) + rng.choice(list("aeiou")) for _ in range(n))

        self.rng, self.family, self.given = rng, word(4).capitalize(), word(3).capitalize()
        self.number, self.place = f"{rng.integers(10**7, 10**8)}X", f"{word(4).capitalize()} {word(3)}hospital"
        self.birth = datetime(1930, 1, 1) + timedelta(int(rng.integers(0, 30000)))
        self.uids = [self.uid() for _ in range(6)]
        self.serial, self.phone = str(rng.integers(10**8, 10**9)), f"+49 {rng.integers(10**8, 10**9)}"

    def uid(self):
        """The same in every run: among so many digits a birthday comes up by chance, now and then."""
        return generate_uid(entropy_srcs=[str(self.rng.integers(10**15))])

    @property
    def secrets(self):
        words = (self.family, self.given, self.number, self.place, self.serial, self.phone)
        return {w.lower() for w in words} | {str(u) for u in self.uids} | {f"{self.birth:%Y%m%d}"}

    def text(self, vr, visit):
        """A value of some representation that gives the person away."""
        name = f"{self.family}^{self.given}"
        if vr in ("DA", "DT"):
            day = self.rng.choice([f"{self.birth:%Y%m%d}", f"{visit:%Y%m%d}"])
            return day + "101112.5+0100" * (vr == "DT")
        if vr == "UI":
            return self.rng.choice(self.uids)
        if vr == "TM":
            return "101112"
        if vr == "AS":
            return "093Y"
        if vr == "PN":
            return name
        if vr in ("CS", "AE"):
            return self.rng.choice([self.family.upper()[:16], self.number[:16]])
        return self.rng.choice([
            name, self.number, self.place, self.serial, self.phone, f"GRE {self.family} 3D", f"qsm_{self.given}",
            f"{self.family}{self.given}", f"of {self.place}", f"born {self.birth:%Y%m%d}",
        ])  # fmt: skip

    def header(self, visit):
        """A scan's header with identity wherever there is room, up to three sequences deep."""
        made = base(self, visit)
        for level in range(4):
            here = made
            for _ in range(level):
                item = Dataset()
                setattr(here, self.rng.choice(EVERY["SQ"]), [item])
                here = item
            self.litter(here, visit, keep=made if level == 0 else None)
        for creator, group in (("ACME 1.0", 0x29), ("Philips MR Imaging DD 001", 0x2005), ("SIEMENS MR HEADER", 0x19)):
            block = made.private_block(group, creator, create=True)
            block.add_new(0x0E, "LO", str(self.text("LO", visit)))
            block.add_new(0x0D, "PN", str(self.text("PN", visit)))
            block.add_new(0x11, "CS", self.family.upper())
            block.add_new(0x20, "OB", f"raw {self.number} {self.family}".encode() + b"\0" * 7)
        return made

    def litter(self, here, visit, keep):
        untouched = {"PatientID", "PatientName", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "StudyDate",
                     "BurnedInAnnotation", "SeriesInstanceUID", "AcquisitionDateTime", "ImageType"}  # fmt: skip
        for vr in (*TEXT, "DA", "DT", "UI", "AS", "TM"):
            for keyword in self.rng.choice(EVERY[vr], min(3, len(EVERY[vr])), replace=False):
                if keep is None or keyword not in untouched:
                    here.add(DataElement(tag_for_keyword(keyword), vr, str(self.text(vr, visit))))


def base(person, visit):
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = person.uid()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.SourceApplicationEntityTitle = person.family.upper()[:16]
    header.PatientName, header.PatientID = f"{person.family}^{person.given}", person.number
    header.PatientBirthDate = f"{person.birth:%Y%m%d}"
    header.StudyInstanceUID, header.SeriesInstanceUID = person.uids[:2]
    header.StudyDate, header.StudyTime = f"{visit:%Y%m%d}", "101112"
    header.AcquisitionDateTime = f"{visit:%Y%m%d}101112.500000"
    header.ImageType, header.BurnedInAnnotation = ["ORIGINAL", "PRIMARY", "P"], "NO"
    header.InstitutionName, header.DeviceSerialNumber = person.place, person.serial
    header.PatientTelephoneNumbers = person.phone
    header.ReferringPhysicianName = f"{person.given}^{person.family}"
    header.Manufacturer, header.EchoTime, header.SeriesDescription = "Philips", "4.6", f"GRE {person.family} QSM 3D"
    header.Rows = header.Columns = 4
    header.BitsAllocated, header.PixelRepresentation, header.SamplesPerPixel = 16, 0, 1
    header.PixelData = np.arange(16, dtype="<u2").tobytes()
    return header


def sidecar(person, visit):
    return {
        "PatientName": f"{person.family}^{person.given}", "PatientID": person.number, "EchoTime": 0.004,
        "PatientBirthDate": f"{person.birth:%Y-%m-%d}", "InstitutionName": person.place, "Manufacturer": "Siemens",
        "DeviceSerialNumber": person.serial, "SeriesDescription": f"GRE {person.family}", "ImageType": ["P", "NORM"],
        "AcquisitionDateTime": f"{visit:%Y-%m-%d}T10:11:12.5", "StudyInstanceUID": str(person.uids[0]),
        "ProtocolName": f"qsm {person.given}", "ImageComments": person.family,
        "BodyPartExamined": person.family.upper(), "Nested": {"x": person.family}, person.family: 1,
        "SliceTiming": [0, 0.5], "ConversionSoftware": person.place, "AcquisitionTime": "10:11:12.5",
    }  # fmt: skip


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Two hundred headers of a hundred people at two visits, with sidecars and images, named after them."""
    folder, rng = tmp_path_factory.mktemp("crowd"), np.random.default_rng(4711)
    people = [Person(rng) for _ in range(100)]
    visits = {}
    for person in people:
        first = datetime(2015, 1, 1) + timedelta(int(rng.integers(0, 3000)))
        visits[person.number] = (first, first + timedelta(int(rng.integers(1, 900))))
        for n, visit in enumerate(visits[person.number]):
            here = folder / "in" / f"{person.family}_{person.given}" / f"{visit:%Y%m%d}" / "anat"
            here.mkdir(parents=True)
            preamble = f"{person.family} {person.number}".encode().ljust(128, b"\0")
            with disable_value_validation():  # as scanners do, some values are longer than DICOM allows
                made = person.header(visit)
                made.preamble = preamble
                made.save_as(here / f"{person.family}{n}.dcm", enforce_file_format=True)
            stem = f"sub-{person.family}_ses-{visit:%Y%m%d}_part-phase_MEGRE" if n else person.family
            image = nib.Nifti1Image(np.arange(8, dtype=np.int16).reshape(2, 2, 2), np.eye(4))
            image.header["descrip"], image.header["aux_file"] = person.family.encode(), person.given.encode()
            image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", person.place.encode()))
            nib.save(image, here / f"{stem}.nii.gz")
            (here / f"{stem}.json").write_text(json.dumps(sidecar(person, visit)))
    out = folder / "out"
    outcome = deidentify(folder / "in", out, RULES)
    return people, visits, out, outcome


def test_nothing_of_anyone_survives(crowd):
    people, _, out, outcome = crowd
    assert outcome.written == {"DICOM": 200, "sidecar": 200, "NIfTI": 200}
    assert outcome.left_out == []
    assert outcome.verified == 600
    secrets = sorted({s for person in people for s in person.secrets})
    anyone = re.compile("|".join(map(re.escape, secrets)))
    for path in out.rglob("*"):
        assert not anyone.search(path.relative_to(out).as_posix().lower()), path
        if path.is_file():
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" else content
            for encoding in ("latin-1", "utf-16-le"):
                assert not anyone.search(content.decode(encoding, "ignore").lower()), path
            if path.suffix == ".dcm":
                assert not anyone.search(str(dcmread(path)).lower()), path


def test_no_date_of_a_visit_survives_and_intervals_do(crowd):
    people, visits, out, _ = crowd
    days = {f"{v:%Y%m%d}" for pair in visits.values() for v in pair}
    for person in people:
        folder = out / KEY.pseudonym(person.number)
        found = sorted((dcmread(p) for p in folder.rglob("*.dcm")), key=lambda d: d.StudyDate)
        assert len(found) == 2
        assert not days & {d.StudyDate for d in found}
        one, two = (datetime.strptime(d.AcquisitionDateTime, "%Y%m%d%H%M%S.%f") for d in found)
        assert two - one == visits[person.number][1] - visits[person.number][0]
        assert (one.hour, one.minute, one.microsecond) == (10, 11, 500000)
        assert found[1].StudyDate == f"{two:%Y%m%d}"
        assert int(found[0].StudyDate[:4]) < 1925
        said = [json.loads(p.read_text())["AcquisitionDateTime"] for p in (out / f"sub-{folder.name}").rglob("*.json")]
        assert sorted(said) == [f"{t:%Y-%m-%d}T10:11:12.5" for t in (one, two)]


def test_what_images_need_is_kept(crowd):
    people, _, out, _ = crowd
    person = people[0]
    for path in (out / KEY.pseudonym(person.number)).rglob("*.dcm"):
        made = dcmread(path)
        assert made.PatientID == made.PatientName == KEY.pseudonym(person.number)
        assert made.StudyInstanceUID == KEY.uid(person.uids[0]) != person.uids[0]
        assert made.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID
        assert (made.PatientIdentityRemoved, made.LongitudinalTemporalInformationModified) == ("YES", "MODIFIED")
        assert "113100" in {c.CodeValue for c in made.DeidentificationMethodCodeSequence}
        assert list(made.ImageType) == ["ORIGINAL", "PRIMARY", "P"]
        assert np.array_equal(np.frombuffer(made.PixelData, "<u2"), np.arange(16))
        assert made.PatientBirthDate == made.PatientSex == ""
    images = sorted((out / f"sub-{KEY.pseudonym(person.number)}").rglob("*.nii.gz"))
    assert len(images) == 2
    for path in images:
        image = nib.load(path)
        assert np.array_equal(image.dataobj, np.arange(8).reshape(2, 2, 2))
        assert not image.header.extensions
        content = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
        assert content["EchoTime"] == 0.004
        assert content["ImageType"] == ["P", "NORM"]
        assert content["SeriesDescription"] == "GRE"
        assert content["StudyInstanceUID"] == str(KEY.uid(person.uids[0]))
    assert any("part-phase_MEGRE" in p.name for p in images)


def test_the_same_key_gives_the_same_bytes_and_another_key_others(crowd, tmp_path):
    people, _, out, _ = crowd
    source = out.parent / "in" / f"{people[0].family}_{people[0].given}"
    for name, key in (("a", KEY), ("b", KEY), ("c", Key(b"another secret, as long as that"))):
        deidentify(source, tmp_path / name, Rules(key))
    files = {n: [p for p in (tmp_path / n).rglob("*") if p.is_file()] for n in "abc"}
    listing = [{p.relative_to(tmp_path / n).as_posix(): p.read_bytes() for p in files[n]} for n in "abc"]
    assert listing[0] == listing[1]
    assert not listing[0].keys() & listing[2].keys()


# --- private scaling


def test_safe_private_scaling_stays_where_it_was(tmp_path, rng):
    person = Person(rng)
    header = base(person, datetime(2020, 2, 3))
    header.add_new((0x2005, 0x0014), "LO", "Philips MR Imaging DD 001")
    header.add_new((0x2005, 0x140E), "FL", 0.25)
    header.add_new((0x2005, 0x140D), "FL", -1.0)
    header.add_new((0x2005, 0x1401), "FL", 9.0)
    header.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    deidentify(tmp_path / "x.dcm", tmp_path / "out", RULES)
    (path,) = (tmp_path / "out").rglob("*.dcm")
    made = dcmread(path)
    assert made[0x2005, 0x0014].value == "Philips MR Imaging DD 001"
    assert (made[0x2005, 0x140E].value, made[0x2005, 0x140D].value) == (0.25, -1.0)
    assert (0x2005, 0x1401) not in made


# --- what is refused


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"BurnedInAnnotation": "YES"}, "Burned In Annotation is YES"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "a copy of a screen"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "Secondary Capture Image Storage may carry identity"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1"}, "Ultrasound Image Storage"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.22"}, "Enhanced SR Storage"),
        ({"SOPClassUID": "1.3.46.670589.11.0.0.12.1"}, "may carry identity"),
    ],
)
def test_pixels_with_text_and_other_objects_are_left_out(tmp_path, rng, change, why):
    header, fine = base(Person(rng), datetime(2020, 2, 3)), base(Person(rng), datetime(2020, 2, 3))
    for key, value in change.items():
        setattr(header, key, value)
    (tmp_path / "in").mkdir()
    header.save_as(tmp_path / "in" / "x.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match=f"nothing in .* could be let through .*{re.escape(why)}"):
        deidentify(tmp_path / "in", tmp_path / "out", RULES)
    assert not (tmp_path / "out").exists()
    fine.save_as(tmp_path / "in" / "y.dcm", enforce_file_format=True)
    (tmp_path / "in" / "letter.pdf").write_bytes(b"%PDF dear patient")
    (tmp_path / "in" / "broken.dcm").write_bytes((tmp_path / "in" / "y.dcm").read_bytes()[:400])
    outcome = deidentify(tmp_path / "in", tmp_path / "out", RULES)
    assert outcome.written == {"DICOM": 1}
    left = dict(outcome.left_out)
    assert set(left) == {"x.dcm", "letter.pdf", "broken.dcm"}
    assert why in left["x.dcm"]
    assert "its content is not known" in left["letter.pdf"]


def test_folders_in_one_another_and_results_of_others_are_refused(tmp_path, rng):
    (tmp_path / "in").mkdir()
    base(Person(rng), datetime(2020, 2, 3)).save_as(tmp_path / "in" / "x.dcm", enforce_file_format=True)
    for out in ("in", "in/out", "."):
        with pytest.raises(OutputError, match="lie in one another"):
            deidentify(tmp_path / "in", tmp_path / out, RULES)
    (tmp_path / "out" / "sub-01").mkdir(parents=True)
    (tmp_path / "out" / "sub-01" / "sub-01_T1w.json").write_text("{}")
    with pytest.raises(OutputError, match="not ours to delete"):
        deidentify(tmp_path / "in", tmp_path / "out", RULES, overwrite=True)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
def test_every_way_of_writing_is_read(tmp_path, rng, syntax):
    person = Person(rng)
    header = base(person, datetime(2020, 2, 3))
    header.BitsStored, header.HighBit, header.PhotometricInterpretation = 16, 15, "MONOCHROME2"
    header.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 0.25)
    if syntax == RLELossless:
        header.compress(RLELossless)
    header.file_meta.TransferSyntaxUID = syntax
    header.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    deidentify(tmp_path / "x.dcm", tmp_path / "out", RULES)
    (path,) = (tmp_path / "out").rglob("*.dcm")
    made, original = dcmread(path), dcmread(tmp_path / "x.dcm")
    assert made.file_meta.TransferSyntaxUID == syntax
    assert np.array_equal(made.pixel_array, original.pixel_array)
    assert made[0x2005, 0x100E].value == 0.25
    assert person.family.lower() not in path.read_bytes().decode("latin-1").lower()


@pytest.mark.filterwarnings("ignore")  # a damaged file may make the reader warn; it must not make it fail
def test_damaged_objects_never_crash_it_nor_carry_a_name_through(tmp_path, rng):
    person = Person(rng)
    good = tmp_path / "good.dcm"
    base(person, datetime(2020, 2, 3)).save_as(good, enforce_file_format=True)
    content = good.read_bytes()
    (tmp_path / "in").mkdir()
    for n in range(200):
        broken = bytearray(content)
        for place in rng.integers(132, len(content), int(rng.integers(1, 4))):
            broken[place] = rng.integers(0, 256)
        (tmp_path / "in" / f"{n}.dcm").write_bytes(broken[: rng.integers(200, len(content))] if n % 5 == 0 else broken)
    outcome = deidentify(tmp_path / "in", tmp_path / "out", RULES)
    assert outcome.written["DICOM"] + len(outcome.left_out) == 200
    assert outcome.written["DICOM"] > 20
    for path in (tmp_path / "out").rglob("*.dcm"):
        assert person.family.lower() not in path.read_bytes().decode("latin-1").lower()


# --- the verification finds what the rules forget


@pytest.mark.parametrize("forgotten", ["PatientComments", "DeviceSerialNumber", "OtherPatientNames", "DeviceUID"])
def test_a_hole_in_the_rules_is_found_and_nothing_is_released(tmp_path, rng, monkeypatch, forgotten):
    person = Person(rng)
    header = base(person, datetime(2020, 2, 3))
    value = {"DeviceUID": generate_uid(), "OtherPatientNames": "Born^Differently"}.get(forgotten, person.serial)
    setattr(header, forgotten, value)
    header.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    monkeypatch.setattr("qsmkit.io.deidentify.header._Work._standard", lambda self, element: element)
    with pytest.raises(InputError, match=r"\d+ identifiers survive"):
        deidentify(tmp_path / "x.dcm", tmp_path / "out", RULES)
    assert [p.name for p in tmp_path.iterdir()] == ["x.dcm"]


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("sequence", "text"), ("private", "text"), ("preamble", "text"), ("name", "text"), ("json", "text"),
        ("uid", "UID"), ("date", "date"),
    ],
)  # fmt: skip
def test_the_verification_looks_everywhere(tmp_path, rng, place, kind):
    person = Person(rng)
    header = base(person, datetime(2020, 2, 3))
    known = Identifiers()
    known.add_object(header)
    clean = base(Person(rng), datetime(1910, 1, 1))
    assert not leaks(tmp_path, known)
    path = tmp_path / "x.dcm"
    if place == "sequence":
        clean.ReferencedImageSequence = [Dataset()]
        clean.ReferencedImageSequence[0].RequestAttributesSequence = [Dataset()]
        clean.ReferencedImageSequence[0].RequestAttributesSequence[0].PatientComments = f"of {person.family} junior"
    elif place == "private":
        clean.private_block(0x0029, "ACME", create=True).add_new(1, "OB", person.number.encode())
    elif place == "preamble":
        clean.preamble = person.family.encode().ljust(128, b"\0")
    elif place == "name":
        path = tmp_path / f"{person.given}.dcm"
    elif place == "json":
        (tmp_path / "x.json").write_text(json.dumps({"a": [{"b": person.place}]}))
    elif place == "uid":
        clean.FrameOfReferenceUID = person.uids[0]
    elif place == "date":
        clean.SeriesDate = "20200203"
    clean.save_as(path, enforce_file_format=True)
    found = leaks(tmp_path, known)
    assert {f.kind for f in found} == {kind}


# --- parts


def test_kept_attributes_are_of_the_dictionary_and_none_names_a_person():
    kept = profile.KEPT | profile.CLEANED | profile.DEVICE_TEXT | profile.CODED_TEXT
    for keyword in itertools.chain(kept, profile.EMPTIED, profile.CHARACTERISTICS):
        assert tag_for_keyword(keyword) is not None, keyword
    assert not {k for k in kept if dictionary_VR(tag_for_keyword(k)) == "PN"}
    assert not kept & {"PatientID", "InstitutionName", "StationName", "DeviceSerialNumber", "AccessionNumber"}


def test_characteristics_only_if_asked_for(tmp_path, rng):
    header = base(Person(rng), datetime(2020, 2, 3))
    header.PatientSex, header.PatientAge, header.PatientWeight, header.PatientSize = "F", "093Y", "61", "1.7"
    header.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    deidentify(tmp_path / "x.dcm", tmp_path / "a", RULES)
    deidentify(tmp_path / "x.dcm", tmp_path / "b", Rules(KEY, characteristics=True))
    without, with_ = (dcmread(next((tmp_path / n).rglob("*.dcm"))) for n in "ab")
    assert without.PatientSex == ""
    assert "PatientAge" not in without
    assert (with_.PatientSex, with_.PatientAge, with_.PatientWeight) == ("F", "090Y", 61)
    assert "113108" in {c.CodeValue for c in with_.DeidentificationMethodCodeSequence}


def test_text_keeps_words_of_the_field():
    assert cleaned("t2_swi3d_tra_p2_1.5mm iso") == "t2 swi3d tra p2 1.5mm iso"
    assert cleaned("*fm2d2r") == "fm2d2r"
    assert cleaned("QSM 3D GRE Mueller 19840203 ward 12") == "QSM 3D GRE 12"
    assert cleaned("Smith") == ""


def test_a_device_may_say_its_maker_model_and_version():
    for version in ("syngo MR XA30", "5.7.1.1", "27", "MR Software release:DV26.0_R01_1725.a", "syngo MR E11"):
        assert device_text("SoftwareVersions", version) == version
    assert device_text("SoftwareVersions", "syngo MR XA30 Smith") == ""
    assert device_text("Manufacturer", "Siemens Healthineers") == "Siemens Healthineers"
    assert device_text("Manufacturer", "Dr Smith") == ""


def test_dates_move_and_what_is_no_date_goes():
    assert moved_date("20240301", 1) == "20240229"
    assert moved_date("2024.03.01", 366) == "20230301"
    assert [moved_date(v, 1) for v in ("", "2024", "20241301", "yesterday", "20240101-20240202")] == [""] * 5
    assert moved_datetime("20240301101112.25+0100", 1) == "20240229101112.25+0100"
    assert moved_datetime("20240301 Smith", 1) == ""
    assert moved_iso("2024-03-01T10:11:12.5", 1) == "2024-02-29T10:11:12.5"
    assert moved_iso("2024-03-01 Smith", 1) == ""


def test_keys(tmp_path):
    key, new = load_key(tmp_path / "key")
    assert new
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    assert load_key(tmp_path / "key") == (key, False)
    assert key.pseudonym(" h-12 ") == key.pseudonym("H-12") != key.pseudonym("H-13")
    assert len({key.days(f"p{n}") for n in range(50)}) > 40
    assert key.uid("1.2.3").startswith("2.25.")
    assert "secret=…" in repr(key)
    (tmp_path / "short").write_text("1234")
    with pytest.raises(InputError, match="4 bytes can be guessed"):
        load_key(tmp_path / "short")


def test_the_crosswalk_is_for_its_owner_alone(tmp_path, rng):
    person = Person(rng)
    base(person, datetime(2020, 2, 3)).save_as(tmp_path / "x.dcm", enforce_file_format=True)
    outcome = deidentify(tmp_path / "x.dcm", tmp_path / "out", RULES)
    write_crosswalk(tmp_path / "who.tsv", outcome)
    assert (tmp_path / "who.tsv").stat().st_mode & 0o077 == 0
    assert f"{person.number}\t{KEY.pseudonym(person.number)}" in (tmp_path / "who.tsv").read_text()
    assert person.number not in json.dumps(outcome.as_dict())


def test_all_files_of_a_participant_stay_together(tmp_path):
    """One sidecar names the patient, the others do not; the one of the whole data set belongs to no one."""
    folder = tmp_path / "in" / "sub-7" / "ses-1" / "anat"
    folder.mkdir(parents=True)
    for name, content in (("T1w", {"PatientID": "H-1234", "EchoTime": 0.003}), ("part-mag_MEGRE", {"EchoTime": 0.004})):
        nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4)), folder / f"sub-7_ses-1_{name}.nii.gz")
        (folder / f"sub-7_ses-1_{name}.json").write_text(json.dumps(content))
    (tmp_path / "in" / "part-mag_MEGRE.json").write_text('{"MagneticFieldStrength": 3}')
    outcome = deidentify(tmp_path / "in", tmp_path / "out", RULES)
    assert [p.name for p in (tmp_path / "out").iterdir()] == [f"sub-{KEY.pseudonym('H-1234')}"]
    assert outcome.written == {"NIfTI": 2, "sidecar": 2}
    assert [name for name, _ in outcome.left_out] == ["part-mag_MEGRE.json"]


@pytest.mark.parametrize("seed", [1, 2])
def test_not_one_attribute_of_the_dictionary_carries_identity_through(tmp_path, seed):
    """Every attribute there is, at the top and one level down, and overlays: all say who it is."""
    person = Person(np.random.default_rng(seed))
    visit = datetime(2021, 5, 6)
    with disable_value_validation():
        header = base(person, visit)
        inner = Dataset()
        for here in (header, inner):
            for vr in (*TEXT, "DA", "DT", "UI", "AS", "TM"):
                for keyword in EVERY[vr]:
                    if keyword not in header or here is inner:
                        here.add(DataElement(tag_for_keyword(keyword), vr, str(person.text(vr, visit))))
        header.SharedFunctionalGroupsSequence = [inner]
        header.add_new((0x6000, 0x0022), "LO", f"{person.family} {person.given}")
        header.add_new((0x6000, 0x3000), "OW", f"{person.family} {person.number}".encode().ljust(64))
        header.save_as(tmp_path / "x.dcm", enforce_file_format=True)
    assert len(header) > 1800
    outcome = deidentify(tmp_path / "x.dcm", tmp_path / "out", RULES)
    assert outcome.written == {"DICOM": 1}
    (path,) = (tmp_path / "out").rglob("*.dcm")
    content = path.read_bytes().decode("latin-1").lower()
    assert not [secret for secret in (*person.secrets, "20210506") if secret in content]
    assert len(dcmread(path)) < 300
