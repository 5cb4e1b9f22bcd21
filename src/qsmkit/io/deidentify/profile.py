"""What a de-identified object may still say: PS3.15's basic profile turned round, from what to remove to what to keep.

PS3.15 Table E.1-1 lists hundreds of attributes to remove (X), empty (Z), replace (D), clean (C) or give a new UID (U),
and grows every year. Here the attributes that the images cannot do without are listed, and every other one is removed,
known or not. What becomes of a kept one follows from its value representation:

- numbers stay if they are numbers;
- UIDs become others (U), those that DICOM defines excepted;
- dates are moved (option "retain longitudinal temporal information with modified dates"); times of day stay;
- code strings stay if they are code strings, sequences are gone through by the same rules;
- text is only what is listed as text below; names of persons are never kept.
"""

from __future__ import annotations

EMPTY = frozenset({"AccessionNumber", "PatientBirthDate", "PatientSex", "ReferringPhysicianName", "StudyID"})
"""Z: every image must have them; they say nothing."""

EMPTIED = frozenset({"ContentCreatorName"})
"""Z: say nothing where they are."""

CHARACTERISTICS = frozenset({"PatientSex", "PatientAge", "PatientSize", "PatientWeight"})
"""Kept only if asked for: option "retain patient characteristics". Ages above 89 become 90."""

OLDEST = 89
"""Years up to which an age is kept."""

CLEANED = frozenset({
    "StudyDescription", "SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName", "ContentLabel",
    "ContentDescription", "ReceiveCoilName", "TransmitCoilName", "AcquisitionProtocolName", "ImageComments",
    "RescaleType", "WindowCenterWidthExplanation", "LUTLabel", "LUTExplanation", "DerivationDescription",
    "ImagedNucleus", "ResonantNucleus", "StackID", "PositionReferenceIndicator",
})  # fmt: skip
"""C: text of which the words of the field stay (option "clean descriptors"), see `words`."""

DEVICE_TEXT = frozenset({"Manufacturer", "ManufacturerModelName", "SoftwareVersions"})
"""Text that stays if it names a known maker or looks like a version; it decides how phase is scaled."""

CODED_TEXT = frozenset({"CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning"})
"""Text of coded concepts; kept within kept sequences."""

KEPT = frozenset("""
    SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID FrameOfReferenceUID
    SynchronizationFrameOfReferenceUID ReferencedSOPClassUID ReferencedSOPInstanceUID ReferencedFrameNumber
    ConcatenationUID DimensionOrganizationUID ImageType Modality SeriesNumber AcquisitionNumber InstanceNumber
    InConcatenationNumber InConcatenationTotalNumber StudyDate StudyTime SeriesDate SeriesTime AcquisitionDate
    AcquisitionTime ContentDate ContentTime AcquisitionDateTime InstanceCreationDate InstanceCreationTime
    FrameAcquisitionDateTime FrameReferenceDateTime BodyPartExamined Laterality ImageLaterality PatientPosition
    PatientOrientation LossyImageCompression LossyImageCompressionRatio LossyImageCompressionMethod
    BurnedInAnnotation RecognizableVisualFeatures PresentationLUTShape QualityControlImage ContentQualification
    ScanningSequence SequenceVariant ScanOptions MRAcquisitionType AngioFlag SliceThickness RepetitionTime
    EchoTime InversionTime NumberOfAverages ImagingFrequency TransmitterFrequency EchoNumbers
    MagneticFieldStrength SpacingBetweenSlices NumberOfPhaseEncodingSteps EchoTrainLength PercentSampling
    PercentPhaseFieldOfView PixelBandwidth TriggerTime NominalInterval HeartRate ReconstructionDiameter
    AcquisitionMatrix InPlanePhaseEncodingDirection FlipAngle VariableFlipAngleFlag SAR dBdt B1rms
    TemporalPositionIdentifier NumberOfTemporalPositions TemporalResolution ImagesInAcquisition SliceLocation
    ImagePositionPatient ImageOrientationPatient PixelSpacing DiffusionBValue DiffusionGradientOrientation
    ComplexImageComponent AcquisitionContrast AcquisitionDuration KVP XRayTubeCurrent ExposureTime Exposure
    DataCollectionDiameter GantryDetectorTilt TableHeight RotationDirection FocalSpots SamplesPerPixel
    PhotometricInterpretation PlanarConfiguration Rows Columns BitsAllocated BitsStored HighBit
    PixelRepresentation NumberOfFrames SmallestImagePixelValue LargestImagePixelValue SmallestPixelValueInSeries
    LargestPixelValueInSeries PixelPaddingValue PixelPaddingRangeLimit WindowCenter WindowWidth VOILUTFunction
    RescaleIntercept RescaleSlope PixelAspectRatio PixelData FloatPixelData DoubleFloatPixelData
    ExtendedOffsetTable ExtendedOffsetTableLengths SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence
    DimensionOrganizationSequence DimensionIndexSequence DimensionIndexPointer FunctionalGroupPointer
    DimensionIndexValues DimensionOrganizationType FrameContentSequence FrameAcquisitionNumber
    InStackPositionNumber TemporalPositionIndex FrameAcquisitionDuration PlanePositionSequence
    PlaneOrientationSequence PixelMeasuresSequence FrameVOILUTSequence PixelValueTransformationSequence
    RealWorldValueMappingSequence RealWorldValueIntercept RealWorldValueSlope RealWorldValueFirstValueMapped
    RealWorldValueLastValueMapped MeasurementUnitsCodeSequence MRImageFrameTypeSequence FrameType
    PixelPresentation VolumetricProperties VolumeBasedCalculationTechnique MRTimingAndRelatedParametersSequence
    MRFOVGeometrySequence MREchoSequence EffectiveEchoTime MRModifierSequence MRImagingModifierSequence
    MRReceiveCoilSequence MRTransmitCoilSequence ReceiveCoilType TransmitCoilType MRAveragesSequence
    MRDiffusionSequence DiffusionDirectionality MRSpatialSaturationSequence EchoPulseSequence MultipleSpinEcho
    MultiPlanarExcitation PhaseContrast TimeOfFlightContrast Spoiling SteadyStatePulseSequence
    EchoPlanarPulseSequence MagnetizationTransfer T2Preparation BloodSignalNulling SaturationRecovery
    SpectrallySelectedSuppression SpectrallySelectedExcitation Tagging OversamplingPhase GeometryOfKSpaceTraversal
    SegmentedKSpaceTraversal RectilinearPhaseEncodeReordering PartialFourier PartialFourierDirection
    KSpaceFiltering ParallelAcquisition ParallelAcquisitionTechnique ParallelReductionFactorInPlane
    ParallelReductionFactorOutOfPlane MRAcquisitionFrequencyEncodingSteps MRAcquisitionPhaseEncodingStepsInPlane
    MRAcquisitionPhaseEncodingStepsOutOfPlane RFEchoTrainLength GradientEchoTrainLength InversionRecovery
    FlowCompensation FlowCompensationDirection InversionTimes CoverageOfKSpace NumberOfKSpaceTrajectories
    ReferencedImageSequence SourceImageSequence DerivationImageSequence FrameAnatomySequence FrameLaterality
    AnatomicRegionSequence ReferencedSeriesSequence ReferencedInstanceSequence
""".split())  # noqa: SIM905
"""Attributes that stay, by the rules of their value representation."""

SOP_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT Image",
    "1.2.840.10008.5.1.4.1.1.2.1": "Enhanced CT Image",
    "1.2.840.10008.5.1.4.1.1.4": "MR Image",
    "1.2.840.10008.5.1.4.1.1.4.1": "Enhanced MR Image",
    "1.2.840.10008.5.1.4.1.1.30": "Parametric Map",
}
"""Objects that are let through. Whatever else a scanner sends (screenshots, ultrasound, reports, raw data, documents,
presentation states) carries names in its pixels or in content that no header rule reaches."""

CAPTURED = frozenset({"SCREEN SAVE", "SCREENSHOT", "SCREEN", "SECONDARY CAPTURE"})
"""Values of Image Type that mean a copy of a screen."""

METHOD_CODES = {
    "113100": "Basic Application Confidentiality Profile",
    "113105": "Clean Descriptors Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113111": "Retain Safe Private Option",
}
"""Codes (DCM, CID 7050) of what is done to every object."""

CHARACTERISTICS_CODE = ("113108", "Retain Patient Characteristics Option")
"""Code of what is done if asked for."""
