"""The shop's tasks, one module per part of the business."""
