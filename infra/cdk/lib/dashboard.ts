import { Aws, Fn } from 'aws-cdk-lib';
import { CfnDashboard } from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';

import type { Watched } from './alarms';
import body from './dashboard.json';
import { FACTS } from './facts';

/**
 * What a shop looks like from outside, on one page: dashboard.json, which `infra/sam` has too. A row about a table of its
 * own is left out where there is no such table.
 */
export function addDashboard(scope: Construct, { tables, api, stage, functions, deadLetters }: Watched): CfnDashboard {
  const names: Record<string, string> = {
    Table: tables.main.ref,
    HttpApi: api.apiId,
    Stage: stage.ref,
    NotificationsFunction: functions.Notifications.functionName,
    ProjectionsFunction: functions.Projections.functionName,
    IndexerFunction: functions.Indexer.functionName,
    DeadLettersBucket: deadLetters.ref,
  };
  const absent: string[] = [];
  for (const { kind, resource } of FACTS.tables.own) {
    const own = tables.own(kind);
    if (own) names[resource] = own.ref;
    else absent.push(`\${${resource}}`);
  }
  const isShown = (row: unknown): boolean => !absent.some((name) => JSON.stringify(row).includes(name));
  const widgets = body.widgets.map(({ properties, ...widget }) => ({
    ...widget,
    properties: { ...properties, metrics: properties.metrics.filter(isShown) },
  }));
  const dashboardBody = Fn.sub(JSON.stringify({ ...body, widgets }), names);
  return new CfnDashboard(scope, 'Dashboard', { dashboardName: Aws.STACK_NAME, dashboardBody });
}
