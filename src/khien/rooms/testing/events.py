from khien.kernel.events import declare

SPECIMEN_COLLECTED = declare("specimen_collected", "Một mẫu được lấy; payload: specimen, person, unit")
RESULT_RECORDED = declare(
    "result_recorded",
    "Một kết quả xét nghiệm được ghi (lần đầu, hoặc bản đính chính đổi kết luận); payload: result, specimen, "
    "person, unit, value (positive, negative, indeterminate), sampled_at, resulted_at (ISO)",
)
RESULT_CORRECTED = declare(
    "result_corrected",
    "Một kết quả được đính chính; payload: result, previous, specimen, person, unit, value, was",
)
SAMPLING_REQUESTED = declare(
    "sampling_requested", "Một người cần được lấy mẫu; payload: request, person, unit, due_on (ISO), reason"
)
