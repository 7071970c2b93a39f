"""Words and turns of phrase of one meaning: of clauses about a stay, and of prose for patients (MedQuAD's)."""

from medpriv.language.paraphrase.sites import same

_WHICH = same(
    """
last; final | most recent | latest
first | initial | earliest
highest | maximum | peak
lowest | minimum | nadir
""",
    after=("the ",),
    follows=r"(?= [^.;]{1,40} (?:was|were) )",
    one_way=True,
) + same(
    """
admission diagnosis | admitting diagnosis | diagnosis on admission
first coded diagnosis | principal coded diagnosis | leading coded diagnosis
hospital stay | hospitalization | time in hospital
""",
    after=("the ",),
    one_way=True,
)

_CLAUSES = (
    same(
        """
was started at | was begun at | was commenced at
were started | were begun | were commenced
was started | was begun | was commenced
was stopped | was discontinued | was withdrawn
the patient was in hospital for | the patient was hospitalized for | the patient was an inpatient for
the patient was admitted | the patient was hospitalized | the patient was taken into hospital
the patient was discharged | the patient was released | the patient was sent
the patient died | the patient passed away | the patient expired
the patient | the pt | the individual
was admitted | was hospitalized | was taken into hospital
was discharged | was released | was sent
the stay was coded as | the stay was classified as | the stay carried the code for
lasted | went on for | took
spent | stayed for | passed
at admission | on admission | when admitted
as an emergency | emergently | in an emergency
through the emergency room | via the emergency room | by way of the ED
through the emergency department | via the emergency department | by way of the ED
home with home care | home with nursing visits | to home with home care
"""
    )
    + same(
        """
was given | was administered | was in use
rose | went up | increased
fell | went down | decreased
""",
        follows="(?= from)",
    )
    + same(
        """
was started on; received; was given | was put on | was treated with
""",
        after=("patient ",),
    )
)

_PROSE = same(
    """
people | persons | individuals
usually | most often | typically
often | frequently | commonly
doctor | physician | clinician
doctors | physicians | clinicians
because of | due to | owing to
may | might | could
medicine; medication | drug | pharmaceutical
medicines; medications | drugs | pharmaceuticals
is caused by | results from | arises from
are caused by | result from | arise from
caused by | resulting from | arising from
characterized by | marked by | distinguished by
there is no cure for | no cure exists for | no cure is known for
many | numerous | a large number of
also called; also known as | otherwise known as | alternatively called
called | known as | named
occurs | happens | takes place
occur | happen | take place
prevent | avert | ward off
preventing | averting | warding off
reduce | lower | decrease
reducing | lowering | decreasing
severe | serious | grave
common | frequent | widespread
rare | uncommon | infrequent
infants | babies |
physical exam | physical examination | bodily examination
diagnosed | identified | detected
diagnose | identify | detect
used to | employed to | utilized to
used for | employed for | utilized for
researchers; scientists | investigators | research workers
conducts | carries out | performs
conduct | carry out | perform
supports | funds | backs
approximately | about | roughly
although | though | even though
several | a number of | some
such as | for instance | like
problems | issues | troubles
problem | issue | trouble
depends on | hinges on | varies with
most cases | the majority of cases | most instances
most people | the majority of people | most individuals
including | among them | inclusive of
children | youngsters | young people
begin | start | commence
can be | is able to be | is possibly
individuals with | those with | persons with
treatment | therapy | treatment method
treatments | therapies | treatment methods
treated | managed | cared for
symptoms | complaints | manifestations
signs | indications | signals
disorder | condition | illness
disorders | conditions | illnesses
lower your risk | cut your risk | bring down your risk
affects | impacts | has an effect on
affect | impact | have an effect on
abnormal | atypical | irregular
a type of | a kind of | a form of
damage | harm | injury
prognosis | outlook | likely course
need to | have to | must
should | ought to | would do well to
found in | present in | located in
can cause | can bring about | can lead to
may cause | might bring about | could lead to
that cause | that bring about | that lead to
that causes | that brings about | that leads to
which causes | which brings about | which leads to
exact cause | precise cause | specific cause
is unknown | is not known | is unclear
not known | unknown | unclear
associated with | linked to | tied to
a combination of | a mix of | a blend of
in some cases | in certain cases | on occasion
sometimes | at times | now and then
get worse | worsen | deteriorate
getting worse | worsening | deteriorating
health care provider | health professional | care provider
most common | most frequent | most prevalent
types of | kinds of | forms of
very | quite | highly
quickly | rapidly | swiftly
main | chief | foremost
important | key | vital
different | differing | diverse
confirm | verify | establish
method | way | technique
progressive | worsening | advancing
try to | attempt to | seek to
begins | starts | commences
during | in the course of |
includes | takes in | comprises
one of the | among the | one among the
because | since | as
a person | someone | an individual
inherited | hereditary | passed down in families
chronic | long-term | long-lasting
lack of | absence of | want of
based on | grounded in | founded on
located | situated | positioned
rarely | seldom | infrequently
primarily | mainly | chiefly
slowly | gradually | bit by bit
increase | raise | heighten
increases | raises | heightens
large | big | sizable
a disease | an illness | an ailment
such a | this kind of | that sort of
cannot | can't | can not
damaged | harmed | injured
no known | no established | no identified
known as | called | named
need | require | call for
condition in which | state in which | disorder in which
information about | information on | details of
a series of | a row of | a chain of
more than | over | in excess of
keep | hold | maintain
""",
    one_way=True,
)

PHRASES = [*_WHICH, *_CLAUSES, *_PROSE]
KEPT = (
    *("may not", "used to be", "most often", "more often", "how often", "less often", "heat stroke", "very low"),
    *("risk factor", "risk factors", "first aid", "so many", "how many", "not usually", "in children", "in different"),
    *("May 1", "no need", "the need", "a need", "an increase", "large intestine", "more than one"),
)
