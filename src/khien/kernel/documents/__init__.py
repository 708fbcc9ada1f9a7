"""Printed things: PDFs by typst, QR codes by segno."""
