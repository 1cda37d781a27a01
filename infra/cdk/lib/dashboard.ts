import { Aws } from 'aws-cdk-lib';
import { CfnDashboard } from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';

import type { Watched } from './alarms';

/** What a shop looks like from outside, on one page. The text is that of infra/sam, so that the two can be compared. */
export function addDashboard(scope: Construct, watched: Watched): CfnDashboard {
  const table = watched.table.ref;
  const api = watched.api.apiId;
  const stage = watched.stage.ref;
  const notifications = watched.functions.Notifications.functionName;
  const projections = watched.functions.Projections.functionName;
  const deadLetters = watched.deadLetters.ref;
  // The backslashes are JSON's.
  const dashboardBody = String.raw`{
  "widgets": [
    {"type": "metric", "x": 0, "y": 0, "width": 12, "height": 6, "properties": {"title": "Requests", "region": "${Aws.REGION}", "period": 60, "stat": "Sum", "view": "timeSeries", "metrics": [
      ["AWS/ApiGateway", "Count", "ApiId", "${api}", "Stage", "${stage}"],
      ["AWS/ApiGateway", "4xx", "ApiId", "${api}", "Stage", "${stage}"],
      ["AWS/ApiGateway", "5xx", "ApiId", "${api}", "Stage", "${stage}"]]}},
    {"type": "metric", "x": 12, "y": 0, "width": 12, "height": 6, "properties": {"title": "Latency (ms)", "region": "${Aws.REGION}", "period": 60, "view": "timeSeries", "metrics": [
      ["AWS/ApiGateway", "Latency", "ApiId", "${api}", "Stage", "${stage}", {"stat": "p50", "label": "p50"}],
      ["AWS/ApiGateway", "Latency", "ApiId", "${api}", "Stage", "${stage}", {"stat": "p99", "label": "p99"}]]}},
    {"type": "metric", "x": 0, "y": 6, "width": 12, "height": 6, "properties": {"title": "RRU by access pattern", "region": "${Aws.REGION}", "view": "timeSeries", "stacked": true, "metrics": [
      [{"id": "rru", "expression": "SEARCH('{OneTill,AccessPattern,Table} MetricName=\"RRU\" Table=\"${table}\"', 'Sum', 60)"}]]}},
    {"type": "metric", "x": 12, "y": 6, "width": 12, "height": 6, "properties": {"title": "WRU by access pattern", "region": "${Aws.REGION}", "view": "timeSeries", "stacked": true, "metrics": [
      [{"id": "wru", "expression": "SEARCH('{OneTill,AccessPattern,Table} MetricName=\"WRU\" Table=\"${table}\"', 'Sum', 60)"}]]}},
    {"type": "metric", "x": 0, "y": 12, "width": 12, "height": 6, "properties": {"title": "Throttled requests and conflicts", "region": "${Aws.REGION}", "view": "timeSeries", "metrics": [
      [{"id": "throttled", "expression": "SEARCH('{AWS/DynamoDB,Operation,TableName} MetricName=\"ThrottledRequests\" TableName=\"${table}\"', 'Sum', 60)"}],
      ["AWS/DynamoDB", "TransactionConflict", "TableName", "${table}", {"stat": "Sum", "period": 60}]]}},
    {"type": "metric", "x": 12, "y": 12, "width": 12, "height": 6, "properties": {"title": "Iterator age (ms)", "region": "${Aws.REGION}", "period": 60, "stat": "Maximum", "view": "timeSeries", "metrics": [
      ["AWS/Lambda", "IteratorAge", "FunctionName", "${notifications}"],
      ["AWS/Lambda", "IteratorAge", "FunctionName", "${projections}"]]}},
    {"type": "metric", "x": 0, "y": 18, "width": 12, "height": 6, "properties": {"title": "Stuck orders", "region": "${Aws.REGION}", "period": 60, "stat": "Maximum", "view": "timeSeries", "metrics": [
      ["OneTill", "UnknownPayments", "Table", "${table}"],
      ["OneTill", "OverdueHolds", "Table", "${table}"],
      ["OneTill", "Disputes", "Table", "${table}"]]}},
    {"type": "metric", "x": 12, "y": 18, "width": 12, "height": 6, "properties": {"title": "Dead letters", "region": "${Aws.REGION}", "period": 60, "stat": "Sum", "view": "timeSeries", "metrics": [
      ["AWS/S3", "PutRequests", "BucketName", "${deadLetters}", "FilterId", "Letters"]]}}
  ]
}
`;
  return new CfnDashboard(scope, 'Dashboard', { dashboardName: Aws.STACK_NAME, dashboardBody });
}
