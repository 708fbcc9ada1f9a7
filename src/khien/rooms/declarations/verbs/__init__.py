"""Acts of the room: declaring, comparing, settling, areas at risk, sheets of companies."""

from khien.rooms.declarations.verbs.areas import declare_risk, end_risk
from khien.rooms.declarations.verbs.declaring import Declared, Known, declare, load_declarations, load_forms
from khien.rooms.declarations.verbs.forgetting import forget_declarations, forget_held
from khien.rooms.declarations.verbs.opening import open_with_code
from khien.rooms.declarations.verbs.settling import link, register, settle
from khien.rooms.declarations.verbs.sheets import (
    SheetAnswer,
    close_company,
    dismiss_row,
    import_sheet,
    mend_row,
    open_company,
)

__all__ = [
    "Declared",
    "Known",
    "SheetAnswer",
    "close_company",
    "declare",
    "declare_risk",
    "dismiss_row",
    "end_risk",
    "forget_declarations",
    "forget_held",
    "import_sheet",
    "link",
    "load_declarations",
    "load_forms",
    "mend_row",
    "open_company",
    "open_with_code",
    "register",
    "settle",
]
