"""An independent verdict on a run of the example agent: did each effect happen once, and did a person agree to it?

Believes nobody but the far sides' own records and Temporal's history, and compares the product's tables with them.
Shares no code with what it judges: plain SQL, plain files, plain histories. Imports of the product only lead to them.
"""
