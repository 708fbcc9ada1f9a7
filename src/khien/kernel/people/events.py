from khien.kernel.events import declare

PEOPLE_MERGED = declare("people_merged", "Hai hồ sơ của một người được gộp; payload: kept, gone")
PEOPLE_UNMERGED = declare("people_unmerged", "Một lần gộp được hoàn tác; payload: kept, gone")
