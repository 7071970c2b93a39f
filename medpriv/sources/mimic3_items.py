"""Which rows of MIMIC-III's event tables are the 17 variables of the 48-hour mortality benchmark, and how to read them.

`ITEMS` names every item id with its label in `D_ITEMS` or `D_LABITEMS`, the variable that it measures, the unit it is
charted in, and who says so. `medpriv.sources.mimic3_tables` scans the tables by it. Ids above 220000 are MetaVision's,
those from 50000 to 52000 the laboratory's, all others CareVue's.

Sources:
- `BENCHMARK`: the item map of Harutyunyan et al., Multitask learning and benchmarking with clinical time series data,
  Scientific Data 6, 96 (2019), rows of status `ready`. Left out of it are glucose and pH of urine and of other body
  fluids (51478, 51491, 51094, 50831) and the breaths that a ventilated patient takes alone (614, 651, 224422, 224689):
  they are other quantities.
- `CODE`: the MIMIC Code Repository (Johnson et al., JAMIA 25(1), 2018), for what adults' charts in CareVue call
  otherwise: `FiO2 Set`, `Admit Ht`, `Admit Wt`.
- `OURS`: the same measurement under another name, seen in `D_ITEMS`.
"""

from dataclasses import dataclass

BENCHMARK, CODE, OURS = "Harutyunyan et al. 2019", "MIMIC Code Repository", "D_ITEMS"


@dataclass(frozen=True)
class Variable:
    """One of the 17 variables.

    Attributes:
        unit: of every value after conversion.
        low, high: what can be (both included); any other value counts as not measured.
    """

    unit: str
    low: float
    high: float


@dataclass(frozen=True)
class Item:
    """One item id: its label, its variable, a key of `CONVERSIONS`, and where we have it from."""

    itemid: int
    label: str
    variable: str
    conversion: str
    source: str


# Limits of vital signs and glucose: MIMIC Code Repository's first-day vital signs, with its "above 0" as the smallest
# number that is charted; FiO2, GCS, pH, temperature, upper limits of glucose, height and weight: the benchmark's valid
# range; lower limits of height and weight: ours, for adults.
VARIABLES = {
    "capillary_refill": Variable("", 0, 1),  # 0 normal or brisk, 1 delayed
    "diastolic_pressure": Variable("mm Hg", 1, 300),
    "fio2": Variable("", 0.21, 1),  # fraction
    "gcs_eye": Variable("points", 1, 4),
    "gcs_motor": Variable("points", 1, 6),
    "gcs_total": Variable("points", 3, 15),
    "gcs_verbal": Variable("points", 1, 5),
    "glucose": Variable("mg/dl", 1, 2000),
    "heart_rate": Variable("beats/min", 1, 300),
    "height": Variable("cm", 100, 240),
    "mean_pressure": Variable("mm Hg", 1, 300),
    "oxygen_saturation": Variable("%", 1, 100),
    "ph": Variable("", 6.3, 8.4),
    "respiratory_rate": Variable("breaths/min", 1, 70),
    "systolic_pressure": Variable("mm Hg", 1, 400),
    "temperature": Variable("deg C", 26, 45),
    "weight": Variable("kg", 20, 250),
}

# SQL of the converted value, of `v` as charted. `fraction`: charted as a fraction or in percent. `percent`: some as a
# fraction. `celsius`: some are Fahrenheit in a Celsius item, as the benchmark knows them (79 and above).
CONVERSIONS = {
    "as_is": "v",
    "fraction": "CASE WHEN v > 1 THEN v / 100 ELSE v END",
    "percent": "CASE WHEN v <= 1 THEN v * 100 ELSE v END",
    "celsius": "CASE WHEN v >= 79 THEN (v - 32) * 5 / 9 ELSE v END",
    "fahrenheit": "(v - 32) * 5 / 9",
    "inch": "v * 2.54",
    "pound": "v * 0.45359237",
    "ounce": "v * 0.45359237 / 16",
}

# Values of text items, and of the coma scale where a row has the words without their number; in small letters. Nothing
# said by a patient with a tube counts as 1, as in the benchmark; eyes that don't open ("None") are 1, where it has 0.
TEXTS = {
    "capillary_refill": {
        "brisk": 0,
        "normal <3 secs": 0,
        "normal <3 seconds": 0,
        "delayed": 1,
        "abnormal >3 secs": 1,
        "abnormal >3 seconds": 1,
    },
    "gcs_eye": {
        "1 no response": 1,
        "none": 1,
        "2 to pain": 2,
        "to pain": 2,
        "3 to speech": 3,
        "to speech": 3,
        "4 spontaneously": 4,
        "spontaneously": 4,
    },
    "gcs_motor": {
        "1 no response": 1,
        "no response": 1,
        "2 abnorm extensn": 2,
        "abnormal extension": 2,
        "3 abnorm flexion": 3,
        "abnormal flexion": 3,
        "4 flex-withdraws": 4,
        "flex-withdraws": 4,
        "5 localizes pain": 5,
        "localizes pain": 5,
        "6 obeys commands": 6,
        "obeys commands": 6,
    },
    "gcs_verbal": {
        "1 no response": 1,
        "1.0 et/trach": 1,
        "no response": 1,
        "no response-ett": 1,
        "2 incomp sounds": 2,
        "incomprehensible sounds": 2,
        "3 inapprop words": 3,
        "inappropriate words": 3,
        "4 confused": 4,
        "confused": 4,
        "5 oriented": 5,
        "oriented": 5,
    },
}

ITEMS = (
    Item(3348, "Capillary Refill", "capillary_refill", "as_is", BENCHMARK),
    Item(115, "Capillary Refill [Right]", "capillary_refill", "as_is", BENCHMARK),
    Item(8377, "Capillary Refill [Left]", "capillary_refill", "as_is", BENCHMARK),
    Item(223951, "Capillary Refill R", "capillary_refill", "as_is", OURS),
    Item(224308, "Capillary Refill L", "capillary_refill", "as_is", OURS),
    Item(8368, "Arterial BP [Diastolic]", "diastolic_pressure", "as_is", BENCHMARK),
    Item(220051, "Arterial Blood Pressure diastolic", "diastolic_pressure", "as_is", BENCHMARK),
    Item(225310, "ART BP Diastolic", "diastolic_pressure", "as_is", BENCHMARK),
    Item(8555, "Arterial BP #2 [Diastolic]", "diastolic_pressure", "as_is", BENCHMARK),
    Item(8441, "NBP [Diastolic]", "diastolic_pressure", "as_is", BENCHMARK),
    Item(220180, "Non Invasive Blood Pressure diastolic", "diastolic_pressure", "as_is", BENCHMARK),
    Item(8502, "BP Cuff [Diastolic]", "diastolic_pressure", "as_is", BENCHMARK),
    Item(8440, "Manual BP [Diastolic]", "diastolic_pressure", "as_is", BENCHMARK),
    Item(8503, "BP Left Arm [Diastolic]", "diastolic_pressure", "as_is", BENCHMARK),
    Item(8504, "BP Left Leg [Diastolic]", "diastolic_pressure", "as_is", BENCHMARK),
    Item(8507, "BP Right Leg [Diastolic]", "diastolic_pressure", "as_is", BENCHMARK),
    Item(8506, "BP Right Arm [Diastolic]", "diastolic_pressure", "as_is", BENCHMARK),
    Item(224643, "Manual Blood Pressure Diastolic Left", "diastolic_pressure", "as_is", BENCHMARK),
    Item(227242, "Manual Blood Pressure Diastolic Right", "diastolic_pressure", "as_is", OURS),
    Item(3420, "FIO2", "fio2", "fraction", BENCHMARK),
    Item(223835, "Inspired O2 Fraction", "fio2", "fraction", BENCHMARK),
    Item(3422, "FIO2 [Meas]", "fio2", "fraction", BENCHMARK),
    Item(189, "FiO2 (Analyzed)", "fio2", "fraction", BENCHMARK),
    Item(727, "Vision FiO2", "fio2", "fraction", BENCHMARK),
    Item(190, "FiO2 Set", "fio2", "fraction", CODE),
    Item(184, "Eye Opening", "gcs_eye", "as_is", BENCHMARK),
    Item(220739, "GCS - Eye Opening", "gcs_eye", "as_is", BENCHMARK),
    Item(454, "Motor Response", "gcs_motor", "as_is", BENCHMARK),
    Item(223901, "GCS - Motor Response", "gcs_motor", "as_is", BENCHMARK),
    Item(723, "Verbal Response", "gcs_verbal", "as_is", BENCHMARK),
    Item(223900, "GCS - Verbal Response", "gcs_verbal", "as_is", BENCHMARK),
    Item(198, "GCS Total", "gcs_total", "as_is", BENCHMARK),
    Item(50931, "Glucose", "glucose", "as_is", BENCHMARK),
    Item(50809, "Glucose", "glucose", "as_is", BENCHMARK),
    Item(807, "Fingerstick Glucose", "glucose", "as_is", BENCHMARK),
    Item(811, "Glucose (70-105)", "glucose", "as_is", BENCHMARK),
    Item(1529, "Glucose", "glucose", "as_is", BENCHMARK),
    Item(3745, "BloodGlucose", "glucose", "as_is", BENCHMARK),
    Item(225664, "Glucose finger stick", "glucose", "as_is", BENCHMARK),
    Item(220621, "Glucose (serum)", "glucose", "as_is", BENCHMARK),
    Item(226537, "Glucose (whole blood)", "glucose", "as_is", BENCHMARK),
    Item(211, "Heart Rate", "heart_rate", "as_is", BENCHMARK),
    Item(220045, "Heart Rate", "heart_rate", "as_is", BENCHMARK),
    Item(226730, "Height (cm)", "height", "as_is", BENCHMARK),
    Item(226707, "Height", "height", "inch", BENCHMARK),
    Item(1394, "Height Inches", "height", "inch", BENCHMARK),
    Item(920, "Admit Ht", "height", "inch", CODE),
    Item(52, "Arterial BP Mean", "mean_pressure", "as_is", BENCHMARK),
    Item(220052, "Arterial Blood Pressure mean", "mean_pressure", "as_is", BENCHMARK),
    Item(225312, "ART BP mean", "mean_pressure", "as_is", BENCHMARK),
    Item(224, "IABP Mean", "mean_pressure", "as_is", BENCHMARK),
    Item(6702, "Arterial BP Mean #2", "mean_pressure", "as_is", BENCHMARK),
    Item(224322, "IABP Mean", "mean_pressure", "as_is", BENCHMARK),
    Item(456, "NBP Mean", "mean_pressure", "as_is", BENCHMARK),
    Item(220181, "Non Invasive Blood Pressure mean", "mean_pressure", "as_is", BENCHMARK),
    Item(3312, "BP Cuff [Mean]", "mean_pressure", "as_is", BENCHMARK),
    Item(3314, "BP Left Arm [Mean]", "mean_pressure", "as_is", BENCHMARK),
    Item(3316, "BP Left Leg [Mean]", "mean_pressure", "as_is", BENCHMARK),
    Item(3322, "BP Right Leg [Mean]", "mean_pressure", "as_is", BENCHMARK),
    Item(3320, "BP Right Arm [Mean]", "mean_pressure", "as_is", BENCHMARK),
    Item(834, "SaO2", "oxygen_saturation", "percent", BENCHMARK),
    Item(50817, "Oxygen Saturation", "oxygen_saturation", "percent", BENCHMARK),
    Item(8498, "O2 sat [Post]", "oxygen_saturation", "percent", BENCHMARK),
    Item(220227, "Arterial O2 Saturation", "oxygen_saturation", "percent", BENCHMARK),
    Item(646, "SpO2", "oxygen_saturation", "percent", BENCHMARK),
    Item(220277, "O2 saturation pulseoxymetry", "oxygen_saturation", "percent", BENCHMARK),
    Item(50820, "pH", "ph", "as_is", BENCHMARK),
    Item(3839, "ph (other)", "ph", "as_is", BENCHMARK),
    Item(1673, "PH", "ph", "as_is", BENCHMARK),
    Item(780, "Arterial pH", "ph", "as_is", BENCHMARK),
    Item(1126, "Art.pH", "ph", "as_is", BENCHMARK),
    Item(223830, "PH (Arterial)", "ph", "as_is", BENCHMARK),
    Item(4753, "pH (Art)", "ph", "as_is", BENCHMARK),
    Item(4202, "pH (cap)", "ph", "as_is", BENCHMARK),
    Item(860, "Venous pH", "ph", "as_is", BENCHMARK),
    Item(220274, "PH (Venous)", "ph", "as_is", BENCHMARK),
    Item(618, "Respiratory Rate", "respiratory_rate", "as_is", BENCHMARK),
    Item(220210, "Respiratory Rate", "respiratory_rate", "as_is", BENCHMARK),
    Item(3603, "Resp Rate", "respiratory_rate", "as_is", BENCHMARK),
    Item(615, "Resp Rate (Total)", "respiratory_rate", "as_is", BENCHMARK),
    Item(224690, "Respiratory Rate (Total)", "respiratory_rate", "as_is", BENCHMARK),
    Item(51, "Arterial BP [Systolic]", "systolic_pressure", "as_is", BENCHMARK),
    Item(220050, "Arterial Blood Pressure systolic", "systolic_pressure", "as_is", BENCHMARK),
    Item(225309, "ART BP Systolic", "systolic_pressure", "as_is", BENCHMARK),
    Item(6701, "Arterial BP #2 [Systolic]", "systolic_pressure", "as_is", BENCHMARK),
    Item(455, "NBP [Systolic]", "systolic_pressure", "as_is", BENCHMARK),
    Item(220179, "Non Invasive Blood Pressure systolic", "systolic_pressure", "as_is", BENCHMARK),
    Item(3313, "BP Cuff [Systolic]", "systolic_pressure", "as_is", BENCHMARK),
    Item(3315, "BP Left Arm [Systolic]", "systolic_pressure", "as_is", BENCHMARK),
    Item(442, "Manual BP [Systolic]", "systolic_pressure", "as_is", BENCHMARK),
    Item(3317, "BP Left Leg [Systolic]", "systolic_pressure", "as_is", BENCHMARK),
    Item(3323, "BP Right Leg [Systolic]", "systolic_pressure", "as_is", BENCHMARK),
    Item(3321, "BP Right Arm [Systolic]", "systolic_pressure", "as_is", BENCHMARK),
    Item(224167, "Manual Blood Pressure Systolic Left", "systolic_pressure", "as_is", BENCHMARK),
    Item(227243, "Manual Blood Pressure Systolic Right", "systolic_pressure", "as_is", BENCHMARK),
    Item(3655, "Temp Skin [C]", "temperature", "celsius", BENCHMARK),
    Item(677, "Temperature C (calc)", "temperature", "celsius", BENCHMARK),
    Item(676, "Temperature C", "temperature", "celsius", BENCHMARK),
    Item(223762, "Temperature Celsius", "temperature", "celsius", BENCHMARK),
    Item(3654, "Temp Rectal [F]", "temperature", "fahrenheit", BENCHMARK),
    Item(678, "Temperature F", "temperature", "fahrenheit", BENCHMARK),
    Item(223761, "Temperature Fahrenheit", "temperature", "fahrenheit", BENCHMARK),
    Item(679, "Temperature F (calc)", "temperature", "fahrenheit", BENCHMARK),
    Item(763, "Daily Weight", "weight", "as_is", BENCHMARK),
    Item(224639, "Daily Weight", "weight", "as_is", BENCHMARK),
    Item(226512, "Admission Weight (Kg)", "weight", "as_is", BENCHMARK),
    Item(3580, "Present Weight  (kg)", "weight", "as_is", BENCHMARK),
    Item(3693, "Weight Kg", "weight", "as_is", BENCHMARK),
    Item(762, "Admit Wt", "weight", "as_is", CODE),
    Item(3581, "Present Weight  (lb)", "weight", "pound", BENCHMARK),
    Item(226531, "Admission Weight (lbs.)", "weight", "pound", BENCHMARK),
    Item(3582, "Present Weight  (oz)", "weight", "ounce", BENCHMARK),
)
